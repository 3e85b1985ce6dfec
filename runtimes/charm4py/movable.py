"""Chares that Charm's own balancers move, each with a part of a kernel that works by messages."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

from charm4py import Array, Chare, Reducer, charm


class Part(Protocol):
    """What such a chare holds: it is packed when it moves, and unpacked where it goes on."""

    @property
    def near(self) -> Sequence[int]:
        """The parts that this one exchanges something with in each step, which have it as theirs."""

    def give(self, step: int) -> Mapping[int, Any]:
        """Work on a step; return what each near part gets."""

    def take(self, step: int, came: Mapping[int, Any]) -> bool:
        """Take what the near parts gave; return whether all parts may be moved now. Equal for all of them."""

    def moved(self, seconds: float, before: int, now: int) -> None:
        """Learn that balancing has taken so long, and on which processing elements it was and is."""


class Movable(Chare):
    """A part of a kernel, on whatever processing element."""

    # When the first part of this processing element began to wait for the others.
    waiting: float | None = None

    def begin(self, make: Callable[[int], Part], lead: Any) -> None:
        """Make a new part; `lead` is told when all are there, and later when all are done."""
        self.lead, self.part = lead, make(self.thisIndex[0])
        self.step = self.until = 0
        self.given = self.paused = False
        self.inbox: dict[int, dict[int, Any]] = {}
        self.reduce(self.lead.reduced, 1, Reducer.sum)

    def run(self, until: int) -> None:
        """Go on until so many steps are done."""
        self.until = until
        self.advance()

    def arrive(self, step: int, source: int, data: Any) -> None:
        self.inbox.setdefault(step, {})[source] = data
        self.advance()

    def advance(self) -> None:
        """Work as long as everything has come that the next step needs."""
        while self.step < self.until and not self.paused:
            if not self.given:
                for to, data in self.part.give(self.step).items():
                    self.thisProxy[to].arrive(self.step, self.thisIndex[0], data)
                self.given = True
            if len(self.inbox.get(self.step, ())) < len(self.part.near):
                return
            self.paused = self.part.take(self.step, self.inbox.pop(self.step, {}))
            self.step, self.given = self.step + 1, False
            if self.paused:
                self.pause()
            elif self.step == self.until:
                self.reduce(self.lead.reduced, 1, Reducer.sum)

    def pause(self) -> None:
        """Wait until all are here and Charm has moved whom it wants to."""
        if Movable.waiting is None:
            Movable.waiting = perf_counter()
        self.before = charm.myPe()
        self.AtSync()

    def resumeFromSync(self) -> None:  # Charm's name
        # Of all parts here, the first one has the time: they wait together.
        seconds = perf_counter() - Movable.waiting if Movable.waiting is not None else 0.0
        Movable.waiting, self.paused = None, False
        self.part.moved(seconds, self.before, charm.myPe())
        if self.step == self.until:
            self.reduce(self.lead.reduced, 1, Reducer.sum)
        self.advance()


class Parts:
    """As many parts as there are members, as one of these knows them; the first member leads.

    Charm cannot end a chare, and balances when all of those that it may move are at it. So they are made
    once, for all kernels that this team runs: a later one begins with them where they are by then.
    """

    array: Any = None

    def __init__(self, comm: Any, make: Callable[[int], Part]):
        self.comm = comm
        if comm.rank == 0:
            Parts.array = Parts.array or Array(Movable, comm.size, useAtSync=True)
            Parts.array.begin(make, comm.proxy(0))
            comm.receive("reduced")
        Parts.array = comm.bcast(Parts.array)

    def run(self, until: int) -> None:
        """Return when all parts have done so many steps."""
        if self.comm.rank == 0:
            Parts.array.run(until)
            self.comm.receive("reduced")
        self.comm.barrier()

    @property
    def here(self) -> list[Any]:
        """Return the parts on this processing element, whose first member has them all."""
        first = self.comm.rank == min(self.comm.here)
        return [chare.part for chare in charm.arrays[Parts.array.aid].values()] if first else []
