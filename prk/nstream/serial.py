"""Nstream, serial: every other runtime changes only who owns which part of the vectors."""

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.nstream import loops
from prk.nstream.problem import Nstream


class Kernel(kernel.Kernel[Nstream]):
    """This rank's part of the three vectors."""

    def setup(self) -> None:
        self.span = self.problem.span(self.comm.rank, self.comm.size)
        length = self.span[1] - self.span[0]
        self.a, self.b, self.c = (self.allocate(length) for _ in range(3))
        self.start()

    def allocate(self, length: int) -> np.ndarray:
        """Return one vector, its pages not yet touched."""
        return memory.empty(length)

    def start(self) -> None:
        """Set a = 0 and b = c = 2, which also places the pages."""
        self.a[:], self.b[:], self.c[:] = 0.0, 2.0, 2.0

    def step(self) -> None:
        loops.nstream(self.a, self.b, self.c)

    def fields(self) -> Fields:
        where = (slice(*self.span),)
        return {"a": Box(where, self.a), "b": Box(where, self.b), "c": Box(where, self.c)}
