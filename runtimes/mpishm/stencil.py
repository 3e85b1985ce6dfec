"""Stencil, MPI shared memory: a super-tile a group of ranks, with a ghost frame around it only."""

from collections.abc import Callable

import numpy as np
from mpi4py import MPI

from prk import decomposition
from prk.decomposition import Box, SuperTiles, Tile
from prk.stencil import loops, serial

from .._mpi.group import Group, Meeting


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
        self.arrivals = [self.piece(self.comm.Recv_init, *p) for p in self.layout.incoming(rank)]
        self.departures = [self.piece(self.comm.Send_init, *p) for p in self.layout.outgoing(rank)]

    def place(self) -> Tile:
        return Tile(*self.layout.tiles[self.comm.rank])

    def room(self) -> Box:
        return decomposition.frame(self.layout.super_tiles[self.group.index], self.problem.radius)

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        inp, out = (self.group.share_one(shape, self.problem.dtype) for _ in range(2))
        return inp, out

    def piece(self, request: Callable[..., MPI.Prequest], other: int, box: Box) -> "Piece":
        r0, r1, c0, c1 = self.indices(box)
        return Piece(request, other, self.inp[r0:r1, c0:c1])

    def exchange(self) -> None:
        for piece in self.arrivals:
            piece.request.Start()
        for piece in self.departures:
            piece.buffer[:] = piece.points
            piece.request.Start()
        for piece in self.arrivals:
            piece.request.Wait()
            piece.points[:] = piece.buffer
        for piece in self.departures:
            piece.request.Wait()

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
        for piece in self.arrivals + self.departures:
            piece.request.Free()
        self.meet.close()
        self.group.close()


class Piece:
    """Some points of the array that travel in one message, from or to a rank of another group."""

    def __init__(self, request: Callable[..., MPI.Prequest], other: int, points: np.ndarray):
        self.points, self.buffer = points, points.copy()
        self.request = request(self.buffer, other)
