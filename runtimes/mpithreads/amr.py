"""AMR, MPI and threads: the first thread exchanges as mpi1 does, then all update their bands of a piece."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from prk import decomposition
from prk.amr.grid import Grid

from .._threads import team as threads
from ..mpi1 import amr as mpi1
from ..mpi1 import stencil
from ..numba.stencil import make_band


class Piece(stencil.Kernel):
    """This rank's piece of a grid, its rows in a band a thread."""

    def __init__(self, grid: Grid, comm: Any, options: Mapping[str, Any], team: threads.Team):
        self.team, self.band = team, make_band(grid.pattern, grid.radius, grid.scale)
        super().__init__(grid, comm, options)

    def start(self) -> None:
        height, threads = self.tile.shape[0], self.team.size
        # No band is thinner than the radius: threads wait for those beside them only. Some may have none.
        bands = max(1, min(threads, height // self.problem.radius))
        starts = [decomposition.block(height, bands, t)[0] if t < bands else height for t in range(threads)]
        self.parts = self.own[0] + np.array([*starts, height])
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's band near it."""
        rows = slice(*self.parts[thread : thread + 2])
        self.inp[rows], self.out[rows] = 0, 0

    def update(self) -> None:
        work = self.parts, self.inp, self.out, self.inner, self.own
        self.team.run(self.band, self.team.shared, *work, 0, 1)


class Kernel(mpi1.Kernel):
    """This rank's pieces of the grids, which a team of threads interpolates and updates."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def make(self, grid: Grid, number: int) -> Piece:
        return Piece(grid, self.comm, self.options, self.team)

    def interpolate(self, number: int) -> None:
        height = self.refinements[number].tile.shape[0]

        def band(thread: int) -> None:
            self.fill(number, *decomposition.block(height, self.team.size, thread))

        self.team.run(band)

    def close(self) -> None:
        super().close()
        self.team.close()
