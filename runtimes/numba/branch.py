"""Branch, threads: each has a loop of its own, and nobody waits for anybody."""

import numpy as np

from prk import memory
from prk.branch import loops, serial
from prk.check import Box, Fields

from .._threads import team as threads


class Kernel(serial.Kernel):
    """The vectors of all threads, a row each."""

    def setup(self) -> None:
        self.team, n = threads.team(self.options), self.problem.n
        self.v, self.index = (memory.empty((self.team.size, n), np.int32) for _ in range(2))
        self.passes, self.sign = loops.repeated(loops.chosen(self.problem)), np.int32(1)
        self.team.run(self.start)

    def start(self, thread: int) -> None:
        """Give a thread's rows their first values, which also places their pages."""
        self.v[thread], self.index[thread] = self.problem.start(0, self.problem.n), np.arange(self.problem.n)

    def repeat(self, count: int) -> None:
        self.team.run(self.work, count)
        self.sign = np.int32(self.sign * (-1) ** count)

    def work(self, thread: int, count: int) -> None:
        """Run `count` repetitions as one thread."""
        self.passes(self.v[thread], self.index[thread], self.sign, count)

    def fields(self) -> Fields:
        return {"v": Box((slice(0, self.team.size), slice(0, self.problem.n)), self.v)}

    def close(self) -> None:
        self.team.close()
