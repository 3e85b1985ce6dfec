"""PIC on Charm4py: a tile a chare, whose borders follow the load; or Charm moves chares with their tiles."""

from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any

from charm4py import charm

from prk import kernel
from prk.check import Fields
from prk.kernel import Period
from prk.pic import schedule
from prk.pic.problem import Pic
from prk.pic.tile import Tile, fields

from .._tagged import pic
from .movable import Parts
from .team import Timed


class Tiles(Timed, pic.Kernel):
    """One chare's share."""


class Block:
    """A tile that moves with its chare."""

    def __init__(self, problem: Pic, cuts: schedule.Cuts, period: int, index: int):
        self.problem, self.cuts, self.period = problem, cuts, period
        self.tile = Tile(problem, cuts.box(index))
        self.near = cuts.neighbours(index)
        self.slots = cuts.slots(self.near)
        self.periods: list[Period] = []
        self.begin()

    def begin(self) -> None:
        """Begin a period."""
        self.work, self.seconds = 0, 0.0

    def give(self, step: int) -> Mapping[int, Any]:
        start, one = perf_counter(), self.tile.particles
        self.tile.happen(step)
        leaving = self.tile.push()
        self.work += one.held
        out = one.sorted(leaving, *self.cuts.owners, self.slots, len(self.near))
        self.seconds += perf_counter() - start
        return dict(zip(self.near, out, strict=True))

    def take(self, step: int, came: Mapping[int, Any]) -> bool:
        for rows in came.values():
            self.tile.particles.append(rows)
        done, last = step + 1, self.problem.repetitions
        if done == 1:
            # The warm-up compiles, and is no part of a period.
            self.begin()
        elif done == last or done % self.period == 0:
            self.periods.append(Period(done, self.work, self.seconds, worker=charm.myPe()))
            self.begin()
            return done < last
        return False

    def moved(self, seconds: float, before: int, now: int) -> None:
        last = self.periods[-1]
        self.periods[-1] = last._replace(balancing=seconds, moved=last.work if before != now else 0)


class Blocks(kernel.Kernel[Pic]):
    """The blocks that are on this member's processing element."""

    def setup(self) -> None:
        cuts = schedule.even(self.problem.n, self.comm.size)
        self.parts = Parts(self.comm, partial(Block, self.problem, cuts, self.options["period"]))
        self.done = 0

    def repeat(self, count: int) -> None:
        self.done += count
        self.parts.run(self.done)
        self.periods = [period for part in self.parts.here for period in part.periods]

    def fields(self) -> Fields:
        return fields([part.tile for part in self.parts.here], self.done)


def Kernel(problem: Pic, comm: Any, options: Mapping[str, Any]) -> kernel.Kernel[Pic]:
    """Return this member's share, as it is balanced."""
    return (Blocks if options["balance"] == "runtime" else Tiles)(problem, comm, options)
