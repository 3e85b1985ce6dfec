"""Stencil, MPI one-sided: each rank puts its edges into its neighbours' landing areas."""

import numpy as np

from prk.decomposition import Box, SuperTiles, area
from prk.stencil import serial

from .._mpi.onesided import Landing


class Kernel(serial.Kernel):
    """This rank's tile, its ghost frame filled from what the neighbours have put."""

    def setup(self) -> None:
        super().setup()
        problem, rank = self.problem, self.comm.rank
        # Groups of one rank: plain tiles, with direct messages to diagonal neighbours for a compact stencil.
        layout = SuperTiles(
            problem.n, problem.n, self.comm.size, 1, problem.radius, problem.pattern == "compact"
        )
        self.arrivals, size = [], 0
        for _, box in layout.incoming(rank):
            points = self.points(box)
            self.arrivals.append((points, slice(size, size + points.size)))
            size += points.size
        self.departures = [
            (self.points(box), np.empty(area(box), problem.dtype), to, displacement(layout, to, rank, box))
            for to, box in layout.outgoing(rank)
        ]
        neighbours = dict.fromkeys(to for to, _ in layout.outgoing(rank))
        self.landing = Landing(self.comm, list(neighbours), size, problem.dtype, self.options)

    def points(self, box: Box) -> np.ndarray:
        r0, r1, c0, c1 = self.indices(box)
        return self.inp[r0:r1, c0:c1]

    def exchange(self) -> None:
        self.landing.open()
        for points, buffer, to, start in self.departures:
            buffer.reshape(points.shape)[:] = points
            self.landing.put(buffer, to, start)
        landed = self.landing.close()
        for points, where in self.arrivals:
            points[:] = landed[where].reshape(points.shape)

    def close(self) -> None:
        self.landing.free()


def displacement(layout: SuperTiles, to: int, rank: int, box: Box) -> int:
    """Return where the points of `box`, which `rank` owns, begin in the landing area of the rank `to`."""
    arriving = layout.incoming(to)
    return sum(area(other) for _, other in arriving[: arriving.index((rank, box))])
