"""Transpose, serial: one column block is the whole matrix."""

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.transpose import loops
from prk.transpose.problem import Transpose


class Kernel(kernel.Kernel[Transpose]):
    """This rank's column block of A and of B, stored [column, row]: a column is contiguous."""

    def setup(self) -> None:
        self.columns = self.problem.columns(self.comm.rank, self.comm.size)
        self.width = self.columns[1] - self.columns[0]
        self.tile = self.problem.tile or self.problem.order
        self.A, self.B = self.allocate((self.width, self.problem.pitch))
        self.start()

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return A and B, their pages not yet touched."""
        return memory.empty(shape), memory.empty(shape)

    def start(self) -> None:
        """Set A(i,j) = i + n j and B = 0, which also places the pages."""
        n = self.problem.order
        self.A[:] = n * np.arange(*self.columns, dtype=float)[:, None]
        self.A += np.arange(self.problem.pitch, dtype=float)
        self.B[:] = 0.0

    def transpose_diagonal(self) -> None:
        """Transpose the block that stays on this rank."""
        here = self.columns[0]
        loops.transpose(self.A, 0, here, self.B, 0, here, self.width, self.width, self.tile)

    def step(self) -> None:
        self.transpose_diagonal()

    def fields(self) -> Fields:
        rows = slice(0, self.problem.order)
        where = slice(*self.columns), rows
        return {"A": Box(where, self.A[:, rows]), "B": Box(where, self.B[:, rows])}
