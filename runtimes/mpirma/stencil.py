"""Stencil, MPI one-sided: each rank puts its edges into its neighbours' landing areas."""

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

from prk.decomposition import Box, Needs, SuperTiles, displacement
from prk.stencil import serial

from .._mpi.onesided import Landing

Points = Callable[[Box], np.ndarray]


class Kernel(serial.Kernel):
    """This rank's tile, its ghost frame filled from what the neighbours have put."""

    def setup(self) -> None:
        super().setup()
        self.puts = Puts(self.comm, self.layout(), self.points, self.points, self.options)

    def layout(self) -> Needs:
        """Return who needs which points of whom."""
        problem = self.problem
        # Groups of one rank: plain tiles, with direct messages to diagonal neighbours for a compact stencil.
        return SuperTiles(
            problem.n, problem.n, self.comm.size, 1, problem.radius, problem.pattern == "compact"
        )

    def points(self, box: Box) -> np.ndarray:
        r0, r1, c0, c1 = self.indices(box)
        return self.inp[r0:r1, c0:c1]

    def exchange(self) -> None:
        self.puts.exchange()

    def close(self) -> None:
        self.puts.free()


class Puts:
    """What a rank puts into others' landing areas, and what lands in its own.

    own, missing: the points of a box that this rank has, and those that it gets.
    """

    def __init__(self, comm: MPI.Intracomm, layout: Needs, own: Points, missing: Points, options: Any):
        rank, incoming = comm.rank, layout.incoming(comm.rank)
        self.arrivals, size = [], 0
        for _, box in incoming:
            points = missing(box)
            self.arrivals.append((points, slice(size, size + points.size)))
            size += points.size
        outgoing = [(own(box), to, box) for to, box in layout.outgoing(rank)]
        self.departures = [
            (points, np.empty(points.size, points.dtype), to, displacement(layout, to, rank, box))
            for points, to, box in outgoing
        ]
        dtype = own(((0, 0), (0, 0))).dtype
        partners = dict.fromkeys([*(to for _, to, _ in outgoing), *(owner for owner, _ in incoming)])
        self.landing = Landing(comm, list(partners), size, dtype, options)

    def exchange(self) -> None:
        """Put the points as they are now, and take up those of the others."""
        self.landing.open()
        for points, buffer, to, start in self.departures:
            buffer.reshape(points.shape)[:] = points
            self.landing.put(buffer, to, start)
        landed = self.landing.close()
        for points, where in self.arrivals:
            points[:] = landed[where].reshape(points.shape)

    def free(self) -> None:
        self.landing.free()
