"""Sparse, threads: each updates its part of the vector and, when all have, multiplies its rows."""

from numba import njit

from prk.sparse import loops, serial

from .._threads import team as threads
from .._threads.team import DONE, publish, wait_for_all


class Kernel(serial.Kernel):
    """This member's rows, and the lines of its slice of the vector, in a part a thread."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def start(self) -> None:
        self.parts, self.line_parts = self.team.parts(self.rows), self.team.parts(len(self.own))
        self.team.run(self.touch)

    def touch(self, thread: int) -> None:
        """Set up this thread's rows and its part of the vector, which also places the pages near it."""
        first, last = self.parts[thread : thread + 2]
        self.fill(first, last)
        self.result[first:last] = 0.0
        self.vector[slice(*self.team.parts(self.vector.size)[thread : thread + 2])] = 0.0

    def repeat(self, count: int) -> None:
        self.team.run(share, *self.work(), count)

    def work(self) -> tuple:
        """Return the arguments of `share` that stay the same."""
        lines = self.line_parts, self.own, self.span[0], 1 << self.lines.bits
        rows = self.parts, self.starts, self.columns, self.matrix, self.vector, self.result
        return self.team.shared, lines, rows

    def close(self) -> None:
        self.team.close()
        super().close()


@njit(nogil=True, cache=True)
def share(thread, team, lines, rows, count):
    """Do this thread's share of `count` repetitions; return an error code."""
    for k in range(count):
        update(thread, lines)
        publish(team, DONE + thread, 2 * k + 1)
        if wait_for_all(team, 2 * k + 1):
            return -1
        multiply(thread, rows)
        # Nobody updates what another one still reads.
        publish(team, DONE + thread, 2 * k + 2)
        if wait_for_all(team, 2 * k + 2):
            return -1
    return 0


@njit(nogil=True, cache=True)
def update(thread, lines):
    """Update this thread's lines of the vector."""
    parts, own, start, width = lines
    first, last = parts[thread], parts[thread + 1]
    loops.update(own[first:last], start + first * width, width)


@njit(nogil=True, cache=True)
def multiply(thread, rows):
    """Multiply this thread's rows."""
    parts, starts, columns, matrix, vector, result = rows
    first, last = parts[thread], parts[thread + 1]
    loops.multiply(starts[first : last + 1], columns, matrix, vector, result[first:last])
