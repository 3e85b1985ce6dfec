"""What a runtime says of itself, and of each kernel that it has."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, repeat
from typing import Any, ClassVar, NamedTuple, Protocol

from prk.job import Job, Outcome
from prk.problem import Problem, Refusal, absent
from prk.schedule import Layout, Step

# The version of what kernels and runtimes of other packages are written against.
API = 3

Options = Mapping[str, Any]
_SAME = object()


@dataclass(frozen=True)
class Option:
    """A runtime's own command-line option for one kernel; a value other than the default labels a variant."""

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    # Values besides the default, or besides the choices, that the tests run.
    examples: tuple[Any, ...] = ()
    # The default that it had when it was introduced, where that has changed since.
    introduced: Any = _SAME

    @property
    def first(self) -> Any:
        """Return the default that the option was introduced with, which is no part of a point's identity."""
        return self.default if self.introduced is _SAME else self.introduced


class Sent(NamedTuple):
    """What one member sends: messages that carry data, and their bytes.

    A put, a get and this member's part in a collective are a message each; an empty message, a flag that is
    set and a barrier are none.
    """

    messages: int = 0
    bytes: int = 0


# What a member sends in each repetition but the warm-up; or, where repetitions differ, in the first of these,
# the second one, and so on.
Said = Sent | Iterator[Sent]


def sent_in(repetitions: int, said: Said) -> Sent:
    """Return what a member sends in so many repetitions after the warm-up."""
    each = repeat(said) if isinstance(said, Sent) else said
    return together(islice(each, repetitions))


def together(several: Iterable[Sent]) -> Sent:
    """Return all that is sent."""
    return Sent(*(sum(numbers) for numbers in zip(Sent(), *several, strict=True)))


class Spent(NamedTuple):
    """Seconds that the threads of one member together have communicated and waited, by clocks.

    `busy` is how long its threads besides the first one have had work, their waits in it included.
    """

    communicating: float = 0.0
    waiting: float = 0.0
    busy: float = 0.0


class Call(NamedTuple):
    """A call that communicates or waits, by one thread of a member; seconds of its clock."""

    begin: float
    end: float
    name: str
    waiting: bool = False
    thread: int = 0
    # The other member, and the bytes that are sent or asked for, where they are known.
    peer: int | None = None
    bytes: int = 0


class Half(NamedTuple):
    """A message as one of its ends knows it: the numbers of the calls that begin and complete it.

    Messages of one key and tag between the same two members arrive in the order in which they are sent.
    """

    begun: int
    complete: int | None
    peer: int
    key: int
    # Of one that is received: None for any tag.
    tag: int | None = 0


class Met(NamedTuple):
    """The number of a call that nobody leaves before all `size` members of a group, its key, are in it."""

    call: int
    key: int
    size: int


class Lane(NamedTuple):
    """What one member called, in the order in which the calls began, with what it knows of messages."""

    calls: Sequence[Call]
    sent: Sequence[Half] = ()
    received: Sequence[Half] = ()
    met: Sequence[Met] = ()
    # Whether there were more calls than could be noted.
    full: bool = False


class Clocks(Protocol):
    """Clocks around what one member communicates and waits for, while a kernel made under them runs."""

    def spent(self) -> Spent:
        """Return what was spent so far."""

    def lane(self, since: float) -> Lane:
        """Return the calls that began since then, in seconds of time.perf_counter()."""

    def ahead(self) -> float:
        """Return the seconds by which the first member's clock is ahead of this one's. Collective."""


@dataclass(frozen=True)
class Cell:
    """What a runtime says of one kernel: pure data and pure functions, equal on all members.

    The functions take (problem, options, size), size being the number of members.
    """

    options: tuple[Option, ...] = ()
    # Bytes that a member allocates at most; None: what the problem says.
    memory: Callable[[Any, Options, int], int] | None = None
    # Bytes of symmetric memory that a member allocates, where the model has a symmetric heap.
    heap: Callable[[Any, int], int] | None = None
    # Raises Refusal for what this cell cannot do.
    refuse: Callable[[Any, Options, int], None] | None = None
    # The values of a problem's parameters that this cell has, where it does not have all.
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    # Whether members are laid out on a 2-D grid, as tiles are, rather than on a line.
    grid: bool = False
    # Whether members exchange data through memory that they share, so that messages bound nothing.
    shared: bool = False
    # Whether the threads of a process are the members, each with data of its own: one kernel acts for all of
    # them and owns what they own, on a prk.team.Crew.
    crew: bool = False
    # What member `rank` sends: (problem, options, size, rank), the problem being a single case. Returns None,
    # as a cell without it, where that is not known or not counted.
    messages: Callable[[Any, Options, int, int], Said | None] | None = None
    # What the members do in a repetition, in steps of prk.schedule: (problem, options, layout). Returns None
    # where that is not known.
    schedule: Callable[[Any, Options, Layout], Sequence[Step] | None] | None = None
    # What a reader of the record should know about runs of this cell.
    warning: str = ""
    # Why there is no such cell, where the model cannot express the kernel.
    absent: str = ""


class Runtime:
    """A programming model: how it is launched, what it says of the kernels, whether it can run here.

    A runtime is a package with a subclass of this named Runtime and a module for each kernel,
    holding a class Kernel. It stands in runtimes/ or is named by an entry point `prk.runtimes`. A file called
    `started_by` in the package names the environment variables by which its own launcher, if it has one,
    is recognised.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    # What it imports, and the command that installs that.
    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    # Whether an MPI launcher starts its processes, a member each; otherwise it starts its own.
    launched: ClassVar[bool] = False
    # Whether its processes must not be bound to a core each, since they divide their cores themselves.
    unbound: ClassVar[bool] = False
    # The option that says how many workers, where no launcher does: "threads", "pe", "workers".
    count_option: ClassVar[str] = ""
    # Why clocks around communication cannot be had, for who asks where the time goes; nothing where they can.
    unclocked: ClassVar[str] = "what it sends and waits for goes through no code that this package can clock"
    # How its runs go on when a member dies, the usual way first: without it ("shrink"), with one that waited
    # ("spares"), with a new one ("replace"); and where they cannot, why not, for who asks for faults.
    recoveries: ClassVar[tuple[str, ...]] = ()
    mortal: ClassVar[str] = "nothing tells its other members that one is gone"
    # How it is drawn in every figure: colour, marker, and dash in units of the line's width (() is solid).
    look: ClassVar[tuple[str, str, tuple[float, ...]] | None] = None
    # What it says of each kernel; "*" is said of all of them.
    cells: ClassVar[Mapping[str, Cell]] = {}

    def cell(self, kernel: str) -> Cell:
        """Return what this runtime says of a kernel; options of all kernels come before its own ones."""
        return _cell(self, kernel)

    def missing(self) -> str | None:
        """Say why this runtime cannot run here and what would help, or return None. Imports nothing heavy."""
        return absent(self.requires, self.install)

    def refuse(self, kernel: str, problem: Problem, options: Options, size: int) -> None:
        """Raise Refusal if this runtime cannot run the problem on `size` members; pure, so equal on all."""
        cell = self.cell(kernel)
        for name, values in cell.only.items():
            value = getattr(problem, name)
            if value not in values:
                option = f"--{name.replace('_', '-')}"
                works = " or ".join(map(str, values))
                raise Refusal(
                    option, f"{self.name} has {works}, no {value}", "use that, or another --runtime"
                )
        if cell.refuse:
            cell.refuse(problem, options, size)

    def probe(self, job: Job, comm: Any) -> str:
        """Return the line that refuses the job for what only the whole team finds out; equal on all."""
        return ""

    def memory(self, kernel: str, problem: Problem, options: Options, size: int) -> int:
        """Return the largest number of bytes that one of `size` members allocates."""
        own = self.cell(kernel).memory
        return own(problem, options, size) if own else problem.memory(size)

    def messages(self, kernel: str, problem: Problem, options: Options, size: int, rank: int) -> Said | None:
        """Return what member `rank` sends in repetitions of one case; None: nothing is said of it."""
        own = self.cell(kernel).messages
        return own(problem, options, size, rank) if own else None

    def counted(self, comm: Any) -> AbstractContextManager[tuple[Any, Callable[[], Sent] | None]]:
        """Count what this member sends, for an audit: a kernel is made on the yielded team and run inside.

        The function that is yielded beside the team returns what the member has sent so far; there is None in
        its place where the model's messages cannot be counted. An ordinary run never calls this.
        """
        return nullcontext((comm, None))

    def clockless(self, options: Options) -> str:
        """Return why clocks around its communication cannot be had with these options, or nothing. Pure."""
        return self.unclocked

    def clocked(self, comm: Any, calls: int) -> AbstractContextManager[tuple[Any, Clocks | None]]:
        """Clock what this member communicates and waits for: a kernel is made on the yielded team, and run.

        So many calls are noted one by one (0: only sums). None is yielded beside the team where clocks
        cannot be had. The timed repetitions are over when this is called.
        """
        return nullcontext((comm, None))

    def survivors(self, comm: Any) -> Any:
        """Return the team as one that can go on without members that die, where it has `recoveries`.

        What it can do is in runtimes/_mpi/ulfm.py. Collective.
        """
        raise NotImplementedError

    def threads(self, options: Options) -> int:
        """Return the threads that compute in each member."""
        return 1

    def members_a_rank(self, kernel: str, options: Options) -> int:
        """Return the members that each process holds."""
        return self.threads(options) if self.cell(kernel).crew else 1

    def describe(self) -> dict[str, Any]:
        """Return the versions and settings of what carries the messages, for the record."""
        return {}

    def launcher_words(self, options: Options) -> tuple[str, ...]:
        """Return the words that mpirun needs besides for these options, where only it will do."""
        return ()

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Options, shared: str
    ) -> list[str]:
        """Return the command that runs the program `words` on the nodes that a batch system gave.

        `step` are the words that start as many processes as the layout says, where they belong; `shared`
        is a folder for temporary files that all nodes see.
        """
        return [*step, *words]

    def launch(self, job: Job) -> Outcome:
        """Call job.run(comm) on every member of the team; return this process's outcome."""
        raise NotImplementedError

    def leave(self, kernel: str, outcome: Outcome) -> Outcome:
        """Return the outcome of a process that this runtime's own launcher started, however it ended.

        A launcher that waits for its processes to join each other learns here how this one ended.
        """
        return outcome


@cache
def _cell(how: Runtime, kernel: str) -> Cell:
    common, own = how.cells.get("*", Cell()), how.cells.get(kernel, Cell())
    return Cell(
        options=(*common.options, *own.options),
        memory=own.memory or common.memory,
        heap=own.heap or common.heap,
        refuse=own.refuse or common.refuse,
        only={**common.only, **own.only},
        grid=own.grid or common.grid,
        shared=own.shared or common.shared,
        crew=own.crew or common.crew,
        messages=own.messages or common.messages,
        schedule=own.schedule or common.schedule,
        warning=own.warning or common.warning,
        absent=own.absent or common.absent,
    )
