"""Chares that Charm's own balancers move, each with a part of a kernel that works by messages."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from charm4py import Array, Chare, Reducer, charm

from prk import kernel
from prk.check import Fields
from prk.kernel import Period
from prk.problem import Problem

P = TypeVar("P", bound=Problem)


class Place(NamedTuple):
    """Which of how many a part is."""

    rank: int
    size: int


class Part(Protocol):
    """What such a chare holds: it is packed when it moves, and unpacked where it goes on."""

    # How many repetitions it has done.
    done: int
    # What its load was, the last one up to where parts may be moved.
    periods: list[Period]

    def give(self) -> Mapping[int, Any]:
        """Work on a step; return what other parts get."""

    @property
    def awaited(self) -> int:
        """How many parts give something to this one in the step."""

    def take(self, came: Mapping[int, Any]) -> bool:
        """Take that, and end the step; return whether all parts may be moved now. Equal for all of them."""

    def fields(self) -> Fields: ...

    def save(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None: ...


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
        self.ready()

    def ready(self) -> None:
        """Tell the leader that this part has done what all were asked for."""
        self.reduce(self.lead.reduced, 1, Reducer.sum)

    def run(self, steps: int) -> None:
        """Go on for so many steps."""
        self.until += steps
        self.advance()

    def show(self, member: Any) -> None:
        """Give a member the part, or a copy of it if that is on another processing element."""
        member.arrive("part", self.part)

    def replace(self, part: Part) -> None:
        """Take what a member has made of the part."""
        self.part = part
        self.ready()

    def arrive(self, step: int, source: int, data: Any) -> None:
        self.inbox.setdefault(step, {})[source] = data
        self.advance()

    def advance(self) -> None:
        """Work as long as everything has come that the next step needs."""
        while self.step < self.until and not self.paused:
            if not self.given:
                for to, data in self.part.give().items():
                    self.thisProxy[to].arrive(self.step, self.thisIndex[0], data)
                self.given = True
            if len(self.inbox.get(self.step, ())) < self.part.awaited:
                return
            self.paused = self.part.take(self.inbox.pop(self.step, {}))
            self.step, self.given = self.step + 1, False
            if self.paused:
                self.pause()
            elif self.step == self.until:
                self.ready()

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
        last = self.part.periods[-1]
        moved = last.work if self.before != charm.myPe() else 0
        self.part.periods[-1] = last._replace(balancing=seconds, moved=moved)
        if self.step == self.until:
            self.ready()
        self.advance()


class Kernel(kernel.Kernel[P]):
    """A kernel in as many parts as there are members, each of which speaks for the part of its number.

    Charm cannot end a chare, and balances when all of those that it may move are at it. So they are made
    once, for all kernels that this team runs: a later one begins with them where they are by then. The first
    member leads.
    """

    array: Any = None
    # How many repetitions are done.
    done = 0

    def make(self) -> Callable[[int], Part]:
        """Return what makes a part, by its number."""
        raise NotImplementedError

    def steps(self, first: int, last: int) -> int:
        """Return how many steps the repetitions from `first` to `last` - 1 have."""
        return last - first

    def setup(self) -> None:
        comm = self.comm
        if comm.rank == 0:
            Kernel.array = Kernel.array or Array(Movable, comm.size, useAtSync=True)
            Kernel.array.begin(self.make(), comm.proxy(0))
            comm.receive("reduced")
        Kernel.array = comm.bcast(Kernel.array)

    def repeat(self, count: int) -> None:
        before, self.done = self.done, self.done + count
        # No part goes on while its member still looks at it.
        self.comm.barrier()
        if self.comm.rank == 0:
            Kernel.array.run(self.steps(before, self.done))
            self.comm.receive("reduced")
        self.comm.barrier()
        # The first member of a processing element has the load of all parts that are there.
        here = charm.arrays[Kernel.array.aid].values() if self.comm.rank == min(self.comm.here) else ()
        self.periods = [period for chare in here for period in chare.part.periods]

    def part(self) -> Any:
        """Return this member's part, wherever it is."""
        # Other members of the process look at their clocks before anything is copied.
        self.comm.join()
        Kernel.array[self.comm.rank].show(self.comm.proxy(self.comm.rank))
        return self.comm.receive("part")[0]

    def fields(self) -> Fields:
        found: Fields = self.part().fields()
        return found

    def save(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = self.part().save()
        return found

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        part = self.part()
        part.restore(state, repetition)
        self.done = part.done
        Kernel.array[self.comm.rank].replace(part)
        if self.comm.rank == 0:
            self.comm.receive("reduced")
        self.comm.barrier()
