"""Transpose, threads: every thread reads its columns of A and writes its rows of B.

An element of A and the element of B that it is added to belong to one thread in every repetition:
nobody waits for anybody.
"""

from numba import njit

from prk.transpose import loops, serial

from .._threads import team as threads


class Kernel(serial.Kernel):
    """This member's column blocks, their columns in a part a thread."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def start(self) -> None:
        self.parts = self.team.parts(self.width)
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's columns near it."""
        part = slice(*self.parts[thread : thread + 2])
        self.A[part], self.B[part] = 0.0, 0.0

    def repeat(self, count: int) -> None:
        self.team.run(diagonal, self.parts, self.A, self.B, self.columns[0], self.tile, count)

    def close(self) -> None:
        self.team.close()
        super().close()


@njit(nogil=True, cache=True)
def diagonal(thread, parts, A, B, here, tile, count):
    """Transpose this thread's part of the block that stays on this member `count` times."""
    first, width = parts[thread], parts[thread + 1] - parts[thread]
    for _ in range(count):
        loops.transpose(A, first, here, B, 0, here + first, width, A.shape[0], tile)
