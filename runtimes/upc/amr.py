"""AMR, UPC's model: threads pull points out of each other's pieces, and meet those alone before and after."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prk.amr import serial
from prk.amr.grid import Grid
from prk.decomposition import Needs

from .._mpi.group import Meeting
from .._mpi.onesided import Counters
from . import stencil
from .shared import Threads


class Told:
    """Where a thread and its partners wait for each other by strict counters, one for each partner."""

    def __init__(self, team: Threads, partners: Sequence[int]):
        self.team, self.partners, self.times = team, partners, 0
        self.counters = Counters(team.comm, "allocate")

    def __call__(self) -> None:
        self.times += 1
        self.team.sync()
        for partner in self.partners:
            self.counters.raise_at(partner)
        for partner in self.partners:
            self.counters.wait_for(partner, self.times)
        self.team.sync()

    def close(self) -> None:
        self.counters.free()


def meeting(team: Threads, layout: Needs) -> Any:
    """Return what waits for all those from whom this thread pulls, and who pull from it. Collective."""
    rank = team.comm.rank
    partners = dict.fromkeys(other for other, _ in (*layout.incoming(rank), *layout.outgoing(rank)))
    return Meeting(team.group, list(partners), "flags") if team.group else Told(team, list(partners))


class Piece(stencil.Kernel):
    """This thread's piece of a grid; only threads that have one, and neighbours, wait for each other."""

    problem: Grid

    def __init__(self, grid: Grid, comm: Any, options: Mapping[str, Any], team: Threads):
        self.team = team
        super().__init__(grid, comm, options)

    def setup(self) -> None:
        super().setup()
        self.meet = meeting(self.team, self.layout())

    def threads(self) -> Threads:
        return self.team

    def layout(self) -> Needs:
        return self.problem.mesh

    def exchange(self) -> None:
        self.meet()
        for ghost, pull in self.pulls:
            ghost[:] = pull()
        self.meet()

    def close(self) -> None:
        self.meet.close()


class Kernel(serial.Kernel):
    """This thread's pieces of the grids."""

    background: Piece

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        super().setup()
        self.feeds = [
            (self.background.from_others(feed, partial(self.lacking, n)), meeting(self.team, feed))
            for n, feed in enumerate(self.layout.feeds)
        ]

    def make(self, grid: Grid, number: int) -> Piece:
        return Piece(grid, self.comm, self.options, self.team)

    def collect(self, number: int) -> None:
        super().collect(number)
        pulls, meet = self.feeds[number]
        # The background is as it is to be interpolated,
        meet()
        for points, pull in pulls:
            points[:] = pull()
        # and has been pulled before it changes.
        meet()

    def close(self) -> None:
        super().close()
        for _, meet in self.feeds:
            meet.close()
        self.team.close()
