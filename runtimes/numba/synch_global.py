"""Synch_global, threads: each takes its digits out of one string into another, and waits for all."""

import numpy as np
from numba import njit

from prk import kernel
from prk.check import Box, Fields
from prk.synch_global import loops
from prk.synch_global.problem import SynchGlobal

from .._threads import team as threads
from .._threads.team import DONE, publish, wait_for_all


class Kernel(kernel.Kernel[SynchGlobal]):
    """The two strings that all threads share, and in which of them the digits are now."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        self.strings = np.zeros((2, self.problem.n), np.uint8)
        self.strings[0] = np.tile(self.problem.start(self.team.size), self.team.size)
        self.turn = 0

    def repeat(self, count: int) -> None:
        self.team.run(synchronise, self.team.shared, self.strings, self.turn, count)
        self.turn = (self.turn + count) % 2

    def fields(self) -> Fields:
        size = self.team.size
        return {
            "members": Box((slice(0, size),), np.full(size, size)),
            "digits": Box((slice(0, self.problem.n),), self.strings[self.turn]),
        }

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def synchronise(thread, team, strings, turn, count):
    """Run `count` repetitions as one thread; return an error code."""
    each = strings.shape[1] // team.size
    for k in range(count):
        source, target = strings[(turn + k) % 2], strings[(turn + k + 1) % 2]
        loops.scramble(source, thread, team.size, target[thread * each : (thread + 1) * each])
        publish(team, DONE + thread, k + 1)
        if wait_for_all(team, k + 1):
            return -1
    return 0
