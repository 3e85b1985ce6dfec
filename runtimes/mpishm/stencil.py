"""Stencil, MPI shared memory: a super-tile a group of ranks, with a ghost frame around it only."""

import numpy as np

from prk import decomposition
from prk.decomposition import Box, SuperTiles, Tile
from prk.stencil import loops, serial

from .._mpi.group import Group, Meeting
from .._mpi.points import Exchange


class Kernel(serial.Kernel):
    """This rank's tile, in the arrays of its group's super-tile."""

    def setup(self) -> None:
        problem, rank, size = self.problem, self.comm.rank, self.comm.size
        self.group = Group(self.comm, self.options["group-size"])
        self.layout = SuperTiles(
            problem.n, problem.n, size, self.group.size, problem.radius, problem.pattern == "compact"
        )
        super().setup()
        partners = [partner - self.group.first for partner in self.layout.partners(rank)]
        self.meet = Meeting(self.group, partners, self.options["local-sync"])
        arriving, leaving = self.layout.incoming(rank), self.layout.outgoing(rank)
        self.perimeter = Exchange(self.comm, map(self.points, arriving), map(self.points, leaving))

    def place(self) -> Tile:
        return Tile(*self.layout.tiles[self.comm.rank])

    def room(self) -> Box:
        return decomposition.frame(self.layout.super_tiles[self.group.index], self.problem.radius)

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        inp, out = (self.group.share_one(shape, self.problem.dtype) for _ in range(2))
        return inp, out

    def points(self, piece: tuple[int, Box]) -> tuple[int, np.ndarray]:
        other, box = piece
        r0, r1, c0, c1 = self.indices(box)
        return other, self.inp[r0:r1, c0:c1]

    def exchange(self) -> None:
        self.perimeter()

    def step(self) -> None:
        top, bottom, left, right = self.own
        i0, i1, j0, j1 = kept = self.indices(self.layout.unread(self.comm.rank))
        self.exchange()
        # The partners have incremented their tiles, and filled their part of the ghost frame.
        self.meet()
        self.sweep(self.inp, self.out, *self.inner, *kept)
        # The partners have read this tile, whose rim may now be incremented too.
        self.meet()
        for rim in (
            (top, i0, left, right),
            (i1, bottom, left, right),
            (i0, i1, left, j0),
            (i0, i1, j1, right),
        ):
            loops.increment(self.inp, *rim)

    def close(self) -> None:
        self.perimeter.free()
        self.meet.close()
        self.group.close()
