"""Layers, by NumPy and Numba; every other runtime changes only who computes, or by which library."""

import numpy as np

from prk import kernel
from prk.check import Box, Fields
from prk.layers.problem import Layers


class Kernel(kernel.Kernel[Layers]):
    """What this member is given and makes, a row of each array for each of its workers."""

    workers = 1

    def setup(self) -> None:
        problem = self.problem
        self.line = problem.line
        self.first = self.comm.rank
        self.given = {
            name: np.stack([problem.draw(name, self.first + row) for row in range(self.workers)])
            for name in problem.given(self.line)
        }
        self.made = {
            name: np.zeros((self.workers, *shape), np.float32)
            for name, shape in problem.made(self.line).items()
        }

    def repeat(self, count: int) -> None:
        self.work(0, count)

    def work(self, row: int, count: int) -> None:
        """Run `count` repetitions of one worker."""
        given, made = ({name: v[row] for name, v in arrays.items()} for arrays in (self.given, self.made))
        run, sizes, backward = self.line.operator.run, self.line.sizes, self.problem.backward
        for _ in range(count):
            run(sizes, backward, given, made)

    def fields(self) -> Fields:
        rows = slice(self.first, self.first + self.workers)
        return {
            name: Box((rows, slice(0, values[0].size)), values.reshape(self.workers, -1))
            for name, values in {**self.given, **self.made}.items()
        }
