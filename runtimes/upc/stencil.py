"""Stencil, UPC's model: each thread pulls its ghosts out of the others' tiles, between two barriers.

A shared array holds all tiles, each in its ghost frame.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from prk import decomposition
from prk.decomposition import Box, Needs, SuperTiles
from prk.stencil import serial

from .shared import Threads

Points = Callable[[Box], np.ndarray]
Pull = Callable[[], np.ndarray]


class Kernel(serial.Kernel):
    """This thread's tile as private memory, its ghost frame filled from the tiles of others."""

    def setup(self) -> None:
        self.team = self.threads()
        super().setup()
        self.pulls = self.from_others(self.layout(), self.points)

    def threads(self) -> Threads:
        """Return the threads that share the tiles."""
        return Threads(self.comm, self.options["access"])

    def layout(self) -> Needs:
        """Return who needs which points of whom."""
        problem = self.problem
        # Groups of one rank: plain tiles, with the corners of a compact stencil from diagonal neighbours.
        return SuperTiles(
            problem.n, problem.n, self.comm.size, 1, problem.radius, problem.pattern == "compact"
        )

    def from_others(self, layout: Needs, missing: Points) -> list[tuple[np.ndarray, Pull]]:
        """Return the points of each box that this thread lacks, with what pulls it from its owner."""
        found: list[tuple[np.ndarray, Pull]] = []
        for owner, box in layout.incoming(self.comm.rank):
            points = missing(box)
            place, room = self.place_in(owner, box), np.empty(points.shape, points.dtype)
            found.append((points, partial(self.shared.pull, owner, place, room)))
        return found

    def points(self, box: Box) -> np.ndarray:
        """Return a box of the grid in this thread's tile and its frame."""
        r0, r1, c0, c1 = self.indices(box)
        return self.inp[r0:r1, c0:c1]

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        self.shared = self.team.array(shape, self.problem.dtype)
        # Nobody else looks at what is computed.
        return self.shared.own, super().allocate(shape)[1]

    def place_in(self, owner: int, box: Box) -> Box:
        """Return where a thread's block holds a box of the grid."""
        tile = self.problem.tile(owner, self.comm.size)
        (top, _), (left, _) = decomposition.frame((tile.rows, tile.cols), self.problem.radius)
        (r0, r1), (c0, c1) = box
        return (r0 - top, r1 - top), (c0 - left, c1 - left)

    def exchange(self) -> None:
        # All tiles are incremented.
        self.team.barrier()
        for ghost, pull in self.pulls:
            ghost[:] = pull()
        # All ghosts are pulled, so that tiles may be incremented again.
        self.team.barrier()

    def close(self) -> None:
        self.team.close()
