"""Reduce, threads: each has a vector, lets it grow, and sums its share of all of them in place in the first.

While a segment of the vectors grows, the one before is summed, so that it is still in cache.
"""

from typing import Any

from numba import njit

from prk import kernel, memory
from prk.check import Box, Fields
from prk.reduce import loops
from prk.reduce.problem import Reduce
from prk.reduce.schedules import SEGMENT

from .._threads import team as threads
from .._threads.team import DONE, publish, wait_for_all


class Kernel(kernel.Kernel[Reduce]):
    """The vectors of all threads, a row each."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        self.v, self.ones = (memory.empty((self.team.size, self.problem.n)) for _ in range(2))
        self.team.run(self.start)

    def start(self, thread: int) -> None:
        """Set a thread's rows to 1, which also places their pages."""
        self.v[thread], self.ones[thread] = 1.0, 1.0

    def repeat(self, count: int) -> None:
        self.team.run(reduce, self.team.shared, self.v, self.ones, count)

    def fields(self) -> Fields:
        where: Any = slice(0, self.team.size), slice(0, self.problem.n)
        return {"v": Box(where, self.v), "ones": Box(where, self.ones)}

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def reduce(thread, team, v, ones, count):
    """Run `count` repetitions as one thread; return an error code."""
    n, done = v.shape[1], 0
    for _ in range(count):
        # One stage more than there are segments: a sum is a stage behind.
        for start in range(0, n + SEGMENT, SEGMENT):
            if start < n:
                grown = v[thread, start : start + SEGMENT]
                loops.add(grown, ones[thread, start : start + SEGMENT])
            if start > 0:
                before = start - SEGMENT
                width = min(start, n) - before
                first = before + width * thread // team.size
                last = before + width * (thread + 1) // team.size
                loops.add_rows(v[0, first:last], v, 1, first, last)
            done += 1
            publish(team, DONE + thread, done)
            if wait_for_all(team, done):
                return -1
    return 0
