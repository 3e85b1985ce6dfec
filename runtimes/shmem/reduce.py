"""Reduce, OpenSHMEM: a PE gets its children's sums out of two buffers, which they fill in turn."""

import numpy as np

from prk.reduce import loops, schedules, serial

from . import heap
from .compiled import GE
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's vectors; the sums of a segment stand in symmetric memory until the parent took them."""

    def setup(self) -> None:
        super().setup()
        rank, size, shape = self.comm.rank, self.comm.size, self.options["algorithm"]
        self.shmem = symmetric(self.comm, heap.reduce(self.problem, size))
        self.children, self.parent = schedules.node(shape, rank, size)
        self.segments = schedules.segments(self.problem.n)
        length = min(self.problem.n, schedules.SEGMENT)
        self.sums, self.landing = self.shmem.zeros((2, length)), np.zeros(length)
        # Segments that each child has summed, and segments of this PE that its parent took.
        self.ready, self.taken = self.shmem.zeros(size, np.int64), self.shmem.zeros(1, np.int64)
        if self.parent is not None:
            place = schedules.node(shape, self.parent, size).children.index(rank)
            self.mine = self.ready[place : place + 1]
        self.done = 0

    def step(self) -> None:
        for segment in self.segments:
            self.done += 1
            loops.add(self.v[segment], self.ones[segment])
            if self.parent is None:
                self.gather(self.v[segment])
            else:
                self.hand_over(self.v[segment], self.parent)

    def gather(self, total: np.ndarray) -> None:
        """Add the children's sums of a segment to a total."""
        landing, there = self.landing[: total.size], self.sums[self.done % 2, : total.size]
        for number, child in enumerate(self.children):
            self.shmem.wait_until(self.ready[number : number + 1], GE, self.done)
            self.shmem.get(landing, there, child)
            self.shmem.atomic_inc(self.taken, child)
            loops.add(total, landing)

    def hand_over(self, own: np.ndarray, parent: int) -> None:
        """Sum a segment beside this PE's own vector, once the buffer is free, and tell the parent."""
        self.shmem.wait_until(self.taken, GE, self.done - 2)
        total = self.sums[self.done % 2, : own.size]
        total[:] = own
        self.gather(total)
        self.shmem.quiet()
        self.shmem.atomic_inc(self.mine, parent)

    def close(self) -> None:
        self.shmem.close()
