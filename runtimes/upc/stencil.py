"""Stencil, UPC's model: each thread pulls its ghosts out of the others' tiles, between two barriers.

A shared array holds all tiles, each in its ghost frame.
"""

from functools import partial

import numpy as np

from prk import decomposition
from prk.decomposition import Box, SuperTiles
from prk.stencil import serial

from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's tile as private memory, its ghost frame filled from the tiles of others."""

    def setup(self) -> None:
        problem, size = self.problem, self.comm.size
        self.team = Threads(self.comm, self.options["access"])
        super().setup()
        # Groups of one rank: plain tiles, with the corners of a compact stencil from diagonal neighbours.
        layout = SuperTiles(problem.n, problem.n, size, 1, problem.radius, problem.pattern == "compact")
        self.pulls = []
        for owner, box in layout.incoming(self.comm.rank):
            r0, r1, c0, c1 = self.indices(box)
            ghost, room = self.inp[r0:r1, c0:c1], np.empty((r1 - r0, c1 - c0), problem.dtype)
            self.pulls.append((ghost, partial(self.shared.pull, owner, self.place_in(owner, box), room)))

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
