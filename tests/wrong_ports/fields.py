"""What a member says that it holds is not what it must hold, though each value is right."""

import numpy as np

from prk.check import Box
from prk.nstream import serial as nstream
from prk.runtimes._tagged import transpose


class Nothing(nstream.Kernel):
    """Own nothing at all."""

    of, caught = "nstream", "run"

    def fields(self):
        return {name: Box((slice(0, 0),), box.values[:0]) for name, box in super().fields().items()}


class Half(nstream.Kernel):
    """Own the first half of one's part only."""

    of, caught = "nstream", "run"

    def fields(self):
        start, stop = self.span
        half = (stop - start) // 2
        where = (slice(start, start + half),)
        return {name: Box(where, box.values[:half]) for name, box in super().fields().items()}


class Diagonal(transpose.Kernel):
    """Transpose the diagonal block, and hold no other one."""

    of, caught = "transpose", "run"

    def step(self):
        self.transpose_diagonal()

    def fields(self):
        own = slice(*self.columns)
        return {name: Box((own, own), box.values[:, own]) for name, box in super().fields().items()}


class OneElement(nstream.Kernel):
    """Compute one element and say that all are like it."""

    of, caught = "nstream", "run"

    def step(self):
        self.a[0] += self.b[0] + 3.0 * self.c[0]

    def fields(self):
        return {
            name: Box(box.where, np.broadcast_to(box.values[0], box.values.shape))
            for name, box in super().fields().items()
        }


class SinglePrecision(nstream.Kernel):
    """Compute in single precision, in which these values are exact and half as many bytes move."""

    of, caught = "nstream", "run"

    def allocate(self, length):
        return np.empty(length, np.float32)


class Twice(nstream.Kernel):
    """Compute the first member's part on every member, and nobody else's."""

    of, caught = "nstream", "run"

    def setup(self):
        super().setup()
        self.span = self.problem.span(0, self.comm.size)
