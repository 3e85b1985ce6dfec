"""Reduce, serial: with one member there is nothing to sum. Every other runtime adds how the sum is made."""

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.reduce import loops
from prk.reduce.problem import Reduce


class Kernel(kernel.Kernel[Reduce]):
    """This member's vector and its ones."""

    def setup(self) -> None:
        self.v, self.ones = self.allocate(self.problem.n), memory.empty(self.problem.n)
        self.start()

    def allocate(self, length: int) -> np.ndarray:
        """Return the vector that is summed, its pages not yet touched."""
        return memory.empty(length)

    def start(self) -> None:
        """Set all to 1, which also places the pages."""
        self.v[:], self.ones[:] = 1.0, 1.0

    def step(self) -> None:
        loops.add(self.v, self.ones)

    def fields(self) -> Fields:
        where = slice(self.comm.rank, self.comm.rank + 1), slice(0, self.problem.n)
        return {"v": Box(where, self.v[None]), "ones": Box(where, self.ones[None])}
