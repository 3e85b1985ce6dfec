"""The members that run a kernel together, as kernels and the core see them."""

from collections.abc import Sequence
from typing import Any, Protocol


class Team(Protocol):
    """Who takes part: names and meaning of an mpi4py communicator, which is one.

    All but `rank` and `size` are collective: every member calls them, in the same order.
    """

    @property
    def rank(self) -> int:
        """This member's number, 0 to size - 1."""

    @property
    def size(self) -> int:
        """The number of members."""

    def barrier(self) -> None:
        """Return when every member has called this."""

    def gather(self, sendobj: Any) -> list[Any] | None:
        """Return every member's object by rank on member 0; what the others get is of no use."""

    def bcast(self, obj: Any) -> Any:
        """Return the object of member 0 on every member; the others' objects are ignored."""


class Messages(Team, Protocol):
    """A team whose members send each other tagged messages.

    `here` are the ranks that share this member's process, and `repetitions` is a count that tags use, so that
    no two messages of a run carry the same tag.
    """

    here: Sequence[int]
    repetitions: int

    def send(self, to: int, tag: Any, *data: Any) -> None:
        """Send arrays and scalars to member `to`; never waits, and gives `data` away."""

    def receive(self, tag: Any) -> tuple[Any, ...]:
        """Wait for the next message with this tag, and return what it holds."""

    def give_way(self) -> None:
        """Let other members of the same process run."""


class Solo:
    """The team of one."""

    rank, size = 0, 1

    def barrier(self) -> None:
        """Return at once: nobody else is awaited."""

    def gather(self, sendobj: Any) -> list[Any]:
        return [sendobj]

    def bcast(self, obj: Any) -> Any:
        return obj


class Crew(Solo):
    """The team of the threads of one process, each a member: one kernel acts, and speaks, for all of them."""

    def __init__(self, size: int):
        self.size = size
