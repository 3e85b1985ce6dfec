"""What the runtimes share whose members exchange tagged messages, being neither MPI ranks nor threads.

Their kernels are written once, a file each, for any team with the names of prk.team.Messages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from prk.runtime import Runtime, Sent
from prk.team import Messages


class Counting:
    """A team that counts what a kernel sends by it; all else is the team's own, with its own messages."""

    sent = Sent()

    def __init__(self, team: Messages):
        vars(self)["team"] = team

    def __getattr__(self, name: str) -> Any:
        return getattr(self.team, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.team, name, value)

    def send(self, to: int, tag: Any, *data: Any) -> None:
        self.count(*data)
        self.team.send(to, tag, *data)

    def count(self, *data: Any) -> None:
        """Count a message of arrays and real numbers; whatever else it holds says where these belong."""
        size = sum(getattr(d, "nbytes", 8 if isinstance(d, float) else 0) for d in data)
        if size:
            vars(self)["sent"] = Sent(self.sent.messages + 1, self.sent.bytes + size)


class Tagged(Runtime):
    """A runtime whose messages pingpong.py measures."""

    # The teams of two that are measured, by the options that make them.
    pairs: ClassVar[Sequence[Mapping[str, Any]]] = ()
    # What counts in an audit.
    counting: ClassVar[type[Counting]] = Counting

    @contextmanager
    def counted(self, comm: Any) -> Iterator[tuple[Any, Callable[[], Sent] | None]]:
        team = self.counting(comm)
        yield team, lambda: team.sent


def counted(comm: Messages, messages: int) -> dict[str, Any]:
    """Return what a member finds out of messages: how many it takes in a repetition, and in which process."""
    return {"process": min(comm.here), "messages": messages if comm.size > 1 else 0}
