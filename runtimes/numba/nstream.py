"""Nstream, threads: every thread owns a part of the vectors, and nobody waits for anybody."""

from numba import njit

from prk.nstream import loops, serial

from .._threads import team as threads


class Kernel(serial.Kernel):
    """The three vectors, a part a thread."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def start(self) -> None:
        self.parts = self.team.parts(self.a.size)
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's part near it."""
        part = slice(*self.parts[thread : thread + 2])
        for vector in (self.a, self.b, self.c):
            vector[part] = 0.0

    def repeat(self, count: int) -> None:
        self.team.run(update, self.parts, self.a, self.b, self.c, count)

    def close(self) -> None:
        self.team.close()
        super().close()


@njit(nogil=True, cache=True)
def update(thread, parts, a, b, c, count):
    """Run `count` repetitions on this thread's part of the vectors."""
    first, last = parts[thread], parts[thread + 1]
    for _ in range(count):
        loops.nstream(a[first:last], b[first:last], c[first:last])
