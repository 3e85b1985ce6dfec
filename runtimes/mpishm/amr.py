"""AMR, MPI shared memory: points of ranks of the group are read where they are, others' come in messages."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from prk import memory
from prk.amr import serial
from prk.amr.grid import Grid
from prk.decomposition import Box, Needs
from prk.stencil import serial as stencil

from .._mpi.group import Group, Meeting
from .._mpi.points import Exchange

Points = Callable[[Box], np.ndarray]


class Reads:
    """What a rank reads in the arrays of its mates, and exchanges with ranks of other groups.

    own, missing: the points of a box that this rank has, and those that it gets; of: those of another rank.
    """

    def __init__(
        self, group: Group, comm: Any, layout: Needs, own: Points, missing: Points, of: Any, way: str
    ):
        mates = range(group.first, group.first + group.size)
        incoming, outgoing = layout.incoming(comm.rank), layout.outgoing(comm.rank)
        self.near = [(missing(box), of(owner, box)) for owner, box in incoming if owner in mates]
        self.far = Exchange(
            comm,
            [(owner, missing(box)) for owner, box in incoming if owner not in mates],
            [(reader, own(box)) for reader, box in outgoing if reader not in mates],
        )
        partners = dict.fromkeys(other - group.first for other, _ in (*incoming, *outgoing) if other in mates)
        self.meet = Meeting(group, list(partners), way)

    def exchange(self) -> None:
        # The partners have updated what is read here,
        self.meet()
        for points, theirs in self.near:
            points[:] = theirs
        self.far()
        # and have read what is updated next.
        self.meet()

    def free(self) -> None:
        self.far.free()
        self.meet.close()


class Piece(stencil.Kernel):
    """This rank's piece of a grid, whose input its mates can read."""

    problem: Grid

    def __init__(self, grid: Grid, comm: Any, options: Mapping[str, Any], group: Group):
        self.group = group
        super().__init__(grid, comm, options)

    def setup(self) -> None:
        super().setup()
        way = self.options["local-sync"]
        self.halo = Reads(self.group, self.comm, self.problem.mesh, self.points, self.points, self.of, way)

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        self.shared = self.group.share(shape)
        return self.shared[self.group.rank], memory.empty(shape)

    def points(self, box: Box) -> np.ndarray:
        r0, r1, c0, c1 = self.indices(box)
        return self.inp[r0:r1, c0:c1]

    def of(self, mate: int, box: Box) -> np.ndarray:
        """Return the points of a box in a mate's piece."""
        tile, r = self.problem.mesh.tile(mate), self.problem.radius
        (r0, r1), (c0, c1) = box
        rows, cols = (
            slice(a - t[0] + r, b - t[0] + r) for a, b, t in ((r0, r1, tile.rows), (c0, c1, tile.cols))
        )
        return self.shared[mate - self.group.first][rows, cols]

    def exchange(self) -> None:
        self.halo.exchange()

    def close(self) -> None:
        self.halo.free()


class Kernel(serial.Kernel):
    """This rank's pieces of the grids."""

    background: Piece

    def setup(self) -> None:
        self.group = Group(self.comm, self.options["group-size"])
        super().setup()
        self.feeds = [
            Reads(
                self.group, self.comm, feed, self.having, partial(self.lacking, n),
                self.background.of, self.options["local-sync"],
            )
            for n, feed in enumerate(self.layout.feeds)
        ]  # fmt: skip

    def make(self, grid: Grid, number: int) -> Piece:
        return Piece(grid, self.comm, self.options, self.group)

    def collect(self, number: int) -> None:
        super().collect(number)
        self.feeds[number].exchange()

    def close(self) -> None:
        super().close()
        for feed in self.feeds:
            feed.free()
        self.group.close()
