"""Stencil, threads: every thread sweeps a band of rows and waits only for the bands next to it."""

import functools

from numba import njit

from prk.stencil import loops, serial

from .._threads import team as threads
from .._threads.team import DONE, OPENED, publish, wait


class Kernel(serial.Kernel):
    """This member's tile, its rows in a band a thread."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()
        problem = self.problem
        self.band = make_band(problem.pattern, problem.radius)

    def start(self) -> None:
        self.parts = self.own[0] + self.team.parts(self.tile.shape[0])
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's band near it."""
        rows = slice(*self.parts[thread : thread + 2])
        self.inp[rows], self.out[rows] = 0, 0

    def repeat(self, count: int) -> None:
        self.team.run(self.band, *self.work(0, count))

    def work(self, first: int, last: int) -> tuple:
        """Return the arguments of `band` for repetitions `first` to `last` - 1."""
        return self.team.shared, self.parts, self.inp, self.out, self.inner, self.own, first, last

    def close(self) -> None:
        self.team.close()
        super().close()


@functools.cache
def make_band(pattern, radius, scale=1):
    """Return the compiled work of one thread for one stencil."""
    pattern, r, scale = str(pattern), int(radius), int(scale)

    @njit(cache=True, nogil=True)
    def band(thread, team, parts, inp, out, inner, own, first, last):
        """Run repetitions `first` to `last` - 1 on the rows of one thread; return an error code.

        In repetition k, a thread publishes 2k + 1 when it has read its neighbours' rows, which these may
        then increment, and 2k + 2 when it has incremented its own, which may then be read again.
        """
        top, bottom = parts[thread], parts[thread + 1]
        north, south = DONE + thread - (thread > 0), DONE + thread + (thread < team.size - 1)
        r0, r1 = max(top, inner[0]), min(bottom, inner[1])
        # The rows that no other thread reads: the sweep increments them on its way.
        i0 = min(top + r, bottom) if thread > 0 else top
        i1 = max(bottom - r, i0) if thread < team.size - 1 else bottom
        for k in range(first, last):
            if wait(team, OPENED, k + 1) or wait(team, north, 2 * k) or wait(team, south, 2 * k):
                return -1
            loops.sweep(pattern, r, inp, out, r0, r1, inner[2], inner[3], i0, i1, own[2], own[3], scale)
            publish(team, DONE + thread, 2 * k + 1)
            if wait(team, north, 2 * k + 1) or wait(team, south, 2 * k + 1):
                return -1
            loops.increment(inp, top, i0, own[2], own[3])
            loops.increment(inp, i1, bottom, own[2], own[3])
            publish(team, DONE + thread, 2 * k + 2)
        return 0

    return band
