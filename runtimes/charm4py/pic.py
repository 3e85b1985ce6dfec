"""PIC on Charm4py: a tile a chare, whose borders follow the load; or Charm moves chares with their tiles."""

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from charm4py import charm

from prk import kernel
from prk.check import Fields
from prk.kernel import Period
from prk.pic import schedule
from prk.pic.problem import Pic
from prk.pic.tile import Tile, fields

from .._tagged import pic
from . import movable
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
        self.done = 0
        self.periods: list[Period] = []
        self.begin()

    def begin(self) -> None:
        """Begin a period."""
        self.work, self.seconds = 0, 0.0

    def give(self) -> Mapping[int, Any]:
        start, one = perf_counter(), self.tile.particles
        self.tile.happen(self.done)
        leaving = self.tile.push()
        self.work += one.held
        out = one.sorted(leaving, *self.cuts.owners, self.slots, len(self.near))
        self.seconds += perf_counter() - start
        return dict(zip(self.near, out, strict=True))

    @property
    def awaited(self) -> int:
        # Neighbours have each other as theirs.
        return len(self.near)

    def take(self, came: Mapping[int, Any]) -> bool:
        for rows in came.values():
            self.tile.particles.append(rows)
        self.done += 1
        last = self.problem.repetitions
        if self.done == 1:
            # The warm-up compiles, and is no part of a period.
            self.begin()
        elif self.done == last or self.done % self.period == 0:
            self.periods.append(Period(self.done, self.work, self.seconds, worker=charm.myPe()))
            self.begin()
            return self.done < last
        return False

    def fields(self) -> Fields:
        return fields([self.tile], self.done)

    def save(self) -> dict[str, np.ndarray]:
        return self.tile.save()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.tile.restore(state)
        self.done = repetition
        self.begin()


class Blocks(movable.Kernel[Pic]):
    """The block of this member's number."""

    def make(self) -> Callable[[int], Block]:
        return partial(
            Block, self.problem, schedule.even(self.problem.n, self.comm.size), self.options["period"]
        )


def Kernel(problem: Pic, comm: Any, options: Mapping[str, Any]) -> kernel.Kernel[Pic]:
    """Return this member's share, as it is balanced."""
    return (Blocks if options["balance"] == "runtime" else Tiles)(problem, comm, options)
