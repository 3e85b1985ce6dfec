"""Branch, serial: every other runtime does the same on each member, for nothing is communicated."""

from collections.abc import Mapping

import numpy as np

from prk import kernel, memory
from prk.branch import loops
from prk.branch.problem import Branch
from prk.check import Box, Fields


class Kernel(kernel.Kernel[Branch]):
    """This member's vector, and the index of each of its elements."""

    def setup(self) -> None:
        n = self.problem.n
        self.v, self.index = (memory.empty(n, np.int32) for _ in range(2))
        self.v[:], self.index[:] = self.problem.start(0, n), np.arange(n)
        self.passes, self.sign = loops.repeated(loops.chosen(self.problem)), np.int32(1)

    def repeat(self, count: int) -> None:
        self.sign = np.int32(self.passes(self.v, self.index, self.sign, count))

    def fields(self) -> Fields:
        rank = self.comm.rank
        return {"v": Box((slice(rank, rank + 1), slice(0, self.problem.n)), self.v[None])}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.sign = np.int32(1 - 2 * (repetition % 2))
