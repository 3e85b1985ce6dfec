"""RefCount, threads: each is a member, and all update the counters by atomic instructions or under a lock."""

import numpy as np
from numba import njit

from prk.memory import fetch_add
from prk.refcount import loops, serial
from prk.refcount.problem import PAGE

from .._threads import team as threads
from .._threads.team import acquire, release


class Kernel(serial.Kernel):
    """The counters and the vectors of all threads, a row each."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def members(self) -> tuple[int, int]:
        return 0, self.team.size

    def start(self) -> None:
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of a thread's rows near it."""
        for rows in (self.a, self.b, self.c, self.words):
            if thread < len(rows):
                rows[thread] = 0

    def repeat(self, count: int) -> None:
        how = self.dependent, self.problem.lock == "lock"
        self.team.run(work, self.team.shared, self.words, *how, self.a, self.b, self.c, count)

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def work(thread, team, words, dependent, locked, a, b, c, count):
    """Make a thread's `count` updates, of its own pair or of the only one; return an error code."""
    pair = words[thread % len(words)]
    return updates(team, pair, dependent, locked, a[thread], b[thread], c[thread], count)


@njit(nogil=True, cache=True)
def updates(team, pair, dependent, locked, a, b, c, count):
    """Make `count` updates of a pair of counters that others also make; return an error code."""
    words = pair.reshape(pair.size)
    numbers = words.view(np.float64)
    first = words.ctypes.data
    second, lock = first + 8 * PAGE, first + 16 * PAGE
    for _ in range(count):
        if not locked:
            fetch_add(first, 1)
            fetch_add(second, 1)
        else:
            if acquire(team, lock):
                return -1
            loops.update(words, numbers, PAGE, dependent)
            release(lock)
        loops.stream(a, b, c)
    return 0
