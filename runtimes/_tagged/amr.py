"""AMR on tagged messages: halos as Stencil's, each grid's by themselves, and what is interpolated."""

from typing import Any

from prk.amr import serial
from prk.amr.grid import Grid
from prk.team import Messages

from . import stencil


class Apart:
    """A team whose messages are those of one grid, counted by themselves: not all members have all grids."""

    def __init__(self, team: Messages, name: Any):
        self.team, self.name, self.repetitions = team, name, 0
        self.rank, self.size = team.rank, team.size

    def send(self, to: int, tag: Any, *data: Any) -> None:
        self.team.send(to, (self.name, tag), *data)

    def receive(self, tag: Any) -> tuple[Any, ...]:
        return self.team.receive((self.name, tag))


class Kernel(serial.Kernel):
    """This member's pieces of the grids."""

    comm: Messages

    def setup(self) -> None:
        # No two kernels of a run have the same.
        self.comm.repetitions += 1
        self.run, self.collected = self.comm.repetitions, 0
        super().setup()
        rank = self.comm.rank
        self.given = [
            [(reader, self.having(box)) for reader, box in feed.outgoing(rank)] for feed in self.layout.feeds
        ]
        self.taken = [
            [(owner, self.lacking(number, box)) for owner, box in feed.incoming(rank)]
            for number, feed in enumerate(self.layout.feeds)
        ]

    def make(self, grid: Grid, number: int) -> stencil.Kernel:
        return stencil.Kernel(grid, Apart(self.comm, (self.run, number)), self.options)

    def collect(self, number: int) -> None:
        super().collect(number)
        self.collected += 1
        for reader, points in self.given[number]:
            self.comm.send(reader, (self.run, "background", self.collected, self.comm.rank), points.copy())
        for owner, points in self.taken[number]:
            (points[:],) = self.comm.receive((self.run, "background", self.collected, owner))
