"""RefCount, serial: the only member updates the counters, and needs no lock for that."""

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.refcount import loops
from prk.refcount.problem import PAGE, RefCount


class Kernel(kernel.Kernel[RefCount]):
    """The pairs of counters that this member holds, and its vectors."""

    def setup(self) -> None:
        problem = self.problem
        self.rows = self.members()
        self.dependent = problem.update == "dependent"
        # A shared pair is the first member's.
        self.pairs = problem.pairs(*self.rows)
        shape = self.rows[1] - self.rows[0], problem.stream
        self.a, self.b, self.c = (memory.empty(shape) for _ in range(3))
        self.words = self.allocate((self.pairs[1] - self.pairs[0], 3, PAGE))
        self.start()

    def members(self) -> tuple[int, int]:
        """Return the half-open range of members that this kernel acts for."""
        return self.comm.rank, self.comm.rank + 1

    def allocate(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return the pages of each pair of counters, and of its lock, as int64."""
        return memory.empty(shape, np.int64)

    def start(self) -> None:
        """Set counters and vectors, which also places the pages."""
        self.a[:], self.b[:], self.c[:] = 0.0, 2.0, 2.0
        self.words[:] = 0
        self.counters()[:] = 1, 0

    def counters(self) -> np.ndarray:
        """Return this member's pairs of counters as their type."""
        return self.words.view(self.problem.dtype)[:, :2, 0]

    def repeat(self, count: int) -> None:
        words = self.words[0].reshape(-1)
        vectors = self.a[0], self.b[0], self.c[0]
        loops.alone(words, words.view(np.float64), PAGE, self.dependent, *vectors, count)

    def fields(self) -> Fields:
        rows = slice(*self.rows), slice(0, self.problem.stream)
        counters = Box((slice(*self.pairs), slice(0, 2)), self.counters())
        return {"counters": counters, **{name: Box(rows, getattr(self, name)) for name in "abc"}}
