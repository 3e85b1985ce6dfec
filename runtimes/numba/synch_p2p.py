"""Synch_p2p, threads: a thread starts a line when the thread to its left has published it."""

from numba import njit

from prk.synch_p2p import loops, serial

from .._threads import team as threads
from .._threads.team import DONE, publish, wait, wait_for_all


class Kernel(serial.Kernel):
    """This member's strip, its points in a narrower strip a thread."""

    def setup(self) -> None:
        self.team = self.start_team()
        super().setup()

    def start_team(self) -> threads.Team:
        return threads.team(self.options)

    def start(self) -> None:
        self.parts = self.ghosts + self.team.parts(self.strip[1] - self.strip[0])
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's strip near it."""
        self.A[:, slice(*self.parts[thread : thread + 2])] = 0.0

    def repeat(self, count: int) -> None:
        schedule = {"pipeline": pipeline, "wavefront": wavefront}[self.options["schedule"]]
        self.team.run(schedule, self.team.shared, self.parts, self.A, self.problem.group, count)

    def close(self) -> None:
        self.team.close()
        super().close()


@njit(nogil=True, cache=True)
def pipeline(thread, team, parts, A, group, count):
    """Run `count` repetitions on the points of one thread; return an error code.

    A thread publishes how many lines it has done since the start.
    """
    lines, me = A.shape[0], DONE + thread
    for k in range(count):
        for first in range(1, lines, group):
            last = min(first + group, lines)
            if thread > 0 and wait(team, me - 1, k * lines + last):
                return -1
            for j in range(first, last):
                loops.part(A, j, parts[thread], parts[thread + 1])
            publish(team, me, k * lines + last)
        if thread == 0:
            if wait(team, DONE + team.size - 1, (k + 1) * lines):
                return -1
            A[0, 0] = -A[-1, -1]
    return 0


@njit(nogil=True, cache=True)
def wavefront(thread, team, parts, A, group, count):
    """Run `count` repetitions by hyperplanes: tiles of group x group points, a diagonal of tiles at a time.

    The threads divide each diagonal and wait for all before the next one; return an error code.
    """
    lines, points = A.shape
    high, wide = -(-(lines - 1) // group), -(-(points - 1) // group)
    step = 0
    for _ in range(count):
        for diagonal in range(high + wide - 1):
            lowest = max(0, diagonal - wide + 1)
            tiles = min(diagonal, high - 1) + 1 - lowest
            first, last = tiles * thread // team.size, tiles * (thread + 1) // team.size
            for row in range(lowest + first, lowest + last):
                j, i = 1 + group * row, group * (diagonal - row)
                loops.block(A[:, i : min(i + group + 1, points)], j, min(j + group, lines))
            step += 1
            publish(team, DONE + thread, step)
            if wait_for_all(team, step):
                return -1
        # The last thread has both ends of the dependency: the only tile of the last and the first diagonal.
        if thread == team.size - 1:
            A[0, 0] = -A[-1, -1]
    return 0
