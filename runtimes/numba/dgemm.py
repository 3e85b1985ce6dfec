"""DGEMM, threads: every thread multiplies all panels for its rows of C, and nobody waits for anybody."""

import numpy as np

from prk.dgemm import serial

from .._threads import team as threads


class Kernel(serial.Kernel):
    """This member's blocks, the rows of C in a part a thread."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def start(self) -> None:
        self.parts = self.team.parts(len(self.C)).tolist()
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's part of each matrix near it."""
        for matrix in (self.A, self.B, self.C):
            matrix[slice(*self.team.parts(len(matrix))[thread : thread + 2])] = 0.0

    def repeat(self, count: int) -> None:
        self.team.run(self.work, count)

    def work(self, thread: int, count: int) -> None:
        """Run `count` repetitions for this thread's rows."""
        for _ in range(count):
            for number in range(self.number):
                self.share(thread, *(panels.panel(number) for panels in self.panels))

    def share(self, thread: int, a: np.ndarray, b: np.ndarray) -> None:
        """Add this thread's rows of the product of two panels to C."""
        self.local(a, b, self.C, *self.parts[thread : thread + 2])

    def close(self) -> None:
        self.team.close()
        super().close()
