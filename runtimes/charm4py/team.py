"""The team on a chare array: each chare is one member, a coroutine that waits for messages.

Imported only in a processing element: importing Charm4py loads its communication library.
"""

import sys
import traceback
from collections import deque
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from charm4py import Array, Channel, Chare, Reducer, charm, coro
from charm4py.threads import LocalFuture

from prk import cli, decomposition
from prk.check import Fields
from prk.job import Job, Outcome
from prk.problem import Refusal

from . import launch
from .chares import moving, refuse_chares
from .movable import Movable


class Comm:
    """A member's view of the team: reductions and broadcasts of the whole array, messages between chares."""

    # The members on this processing element, and how many of them wait for each other.
    here: list[int] = []
    joined = 0

    def __init__(self, chare: "Member", columns: int, size: int):
        self.chare, self.columns, self.size = chare, columns, size
        index = chare.thisIndex
        self.rank = index[0] * columns + index[1] if columns else index[0]
        self.inbox: dict[Any, deque[tuple[Any, ...]]] = {}
        self.wanted: Any = None
        # What wakes the coroutine, which sets it.
        self.coroutine: LocalFuture
        self.proxies: dict[int, Any] = {}
        self.broadcasts = self.repetitions = 0
        self.here.append(self.rank)

    def proxy(self, rank: int) -> Any:
        """Return what member `rank` is addressed by."""
        if rank not in self.proxies:
            index = divmod(rank, self.columns) if self.columns else rank
            self.proxies[rank] = self.chare.thisProxy[index]
        return self.proxies[rank]

    def barrier(self) -> None:
        self.chare.allreduce().get()

    def gather(self, sendobj: Any) -> list[Any] | None:
        self.chare.reduce(self.proxy(0).gathered, sendobj, Reducer.gather)
        return self.receive("gathered")[0] if self.rank == 0 else None

    def bcast(self, obj: Any) -> Any:
        self.broadcasts += 1
        tag = "broadcast", self.broadcasts
        if self.rank == 0:
            self.chare.thisProxy.arrive(tag, obj)
        return self.receive(tag)[0]

    def send(self, to: int, tag: Any, *data: Any) -> None:
        """Send arrays and scalars; inside one process the receiver gets the array itself, so give it away."""
        self.proxy(to).arrive(tag, *data)

    def receive(self, tag: Any) -> tuple[Any, ...]:
        """Wait for the next message with this tag; meanwhile other chares of the process run."""
        if tag in self.inbox:
            data = self.inbox[tag].popleft()
            if not self.inbox[tag]:
                del self.inbox[tag]
            return data
        self.wanted = tag
        return self.coroutine.get()

    def arrive(self, tag: Any, data: tuple[Any, ...]) -> None:
        """Hand a message to the coroutine if that waits for it, else keep it."""
        if tag == self.wanted:
            self.wanted = None
            self.coroutine.send(data)
        else:
            self.inbox.setdefault(tag, deque()).append(data)

    def channel(self, other: int) -> Channel:
        """Return Charm4py's own channel to another member, which the kernels' messages are compared with."""
        return Channel(self.chare, remote=self.proxy(other))

    def give_way(self) -> None:
        """Let the other members of this process run, by waiting for a message to oneself."""
        if len(self.here) > 1:
            self.send(self.rank, "go on")
            self.receive("go on")

    def join(self) -> None:
        """Wait until all members of this process are here."""
        Comm.joined += 1
        if Comm.joined == len(self.here):
            Comm.joined = 0
            for rank in self.here:
                self.send(rank, "joined")
        self.receive("joined")


class Timed:
    """A kernel that shares its processing element: none is done before all of them are.

    They take turns there, so each one's own time, from its first turn to its last, is too short.
    """

    comm: Any
    periods: Any

    def repeat(self, count: int) -> None:
        super().repeat(count)  # type: ignore[misc]
        self.comm.join()
        # Together they are one worker; they wait for others at the same time, so one of them has that.
        first = self.comm.rank == min(self.comm.here)
        self.periods = [p._replace(worker=charm.myPe(), balancing=first * p.balancing) for p in self.periods]

    def fields(self) -> Fields:
        # The check of one would fall into the time of another that has not yet looked at its clock.
        self.comm.join()
        return super().fields()  # type: ignore[misc]


class Member(Chare):
    """One chare: a member of the team."""

    def __init__(self, columns: int, size: int):
        # Once more: Charm makes the other processing elements of a node from the first one, after its start.
        if launch.dies_with_parent:
            launch.die_with_parent()
        self.comm = Comm(self, columns, size)
        # It runs all the time, and cannot be moved while it does.
        self.setMigratable(False)

    @coro
    def run(self, job: Job, done: Any) -> None:
        """Run the job as this member; the first one reports when all have ended."""
        self.comm.coroutine = LocalFuture()
        try:
            outcome = job.run(self.comm)
            self.comm.barrier()
            if self.comm.rank == 0:
                done.send(outcome)
        except BaseException:
            # A member that only raised would leave the others waiting for ever.
            traceback.print_exc()
            sys.stderr.flush()
            charm.exit(1)

    def arrive(self, tag: Any, *data: Any) -> None:
        self.comm.arrive(tag, data)

    def gathered(self, values: list[Any]) -> None:
        self.comm.arrive("gathered", (values,))

    def reduced(self, value: Any) -> None:
        self.comm.arrive("reduced", (value,))


def start(job: Job, grid: bool, settings: Sequence[str] = ()) -> NoReturn:
    """Start this processing element, run the job on all of them, and end the process.

    The chares make a 2-D array, as tiles do, or a line.
    """

    def first(arguments: list[str]) -> None:
        try:
            pes = charm.numPes()
            if job.options["pe"] not in (0, pes):
                raise Refusal("--pe", f"charmrun started {pes} and not {job.options['pe']}", "leave it out")
            refuse_chares(job.problem, job.options, pes)
            size = pes * job.options["overdecomposition"]
            columns = decomposition.grid(size)[0] if grid else 0
            members = Array(Member, (size // columns, columns) if columns else size, args=[columns, size])
            done = charm.Future()
            members.run(job, done)
            outcome = done.get()
        except Refusal as refusal:
            outcome = Outcome(2, str(refusal))
        charm.exit(cli.report(job.kernel, outcome))

    # A chare's letter box for its own process: at most the messages of one repetition wait in it.
    charm.options.local_msg_buf_size = 1000 + int(job.problem.cost(2).messages)
    if moving(job.options):
        settings = (*settings, "+balancer", f"{job.options['balancer']}LB")
    enter(first, settings)


def end(kernel: str, outcome: Outcome) -> NoReturn:
    """End a process that charmrun started and that was refused before it joined the others."""

    def first(arguments: list[str]) -> None:
        charm.exit(cli.report(kernel, outcome))

    enter(first)


def enter(first: Any, settings: Sequence[str] = ()) -> NoReturn:
    """Run `first` on processing element 0 and never come back."""
    # Charm4py reads its own options there, and would take the kernel's for them.
    sys.argv = [sys.argv[0], "++quiet", *settings]
    # Chares of one process hand arrays over instead of packing them.
    charm.options.local_msg_optim = True
    charm.start(first, classes=[Member, Movable])
    raise SystemExit(1)


def describe() -> dict[str, Any]:
    """Return versions and layout for the record."""
    return {
        "charm4py": version("charm4py"),
        "interface": charm.lib.name,
        "layer": "netlrts: UDP datagrams between processes, also inside a node",
        "pes": charm.numPes(),
        "hosts": charm.numHosts(),
    }
