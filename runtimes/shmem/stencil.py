"""Stencil, OpenSHMEM: put an edge, fence, count it at the neighbour; landing buffers for two repetitions."""

import numpy as np

from prk.stencil import serial

from . import heap
from .compiled import GE
from .heap import APART
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's tile; a neighbour's edge lands in one buffer in odd repetitions, in another in even ones."""

    def setup(self) -> None:
        super().setup()
        problem, size = self.problem, self.comm.size
        self.shmem = symmetric(self.comm, heap.stencil(problem, size))
        self.landing = self.shmem.zeros((4, 2, heap.longest_edge(problem, size)), problem.dtype)
        self.counters = self.shmem.zeros(4 * APART, np.int64)
        # Sides are numbered north, south, west, east: mine lands at the neighbour's opposite.
        sides = [
            [(2 * axis + i, side) for i, side in enumerate(pair)] for axis, pair in enumerate(self.sides())
        ]
        self.axes = [[(n, side) for n, side in pair if side.neighbour is not None] for pair in sides]
        self.done = 0

    def exchange(self) -> None:
        self.done += 1
        buffers = self.landing[:, self.done % 2]
        for axis in self.axes:
            for number, side in axis:
                edge, opposite = self.inp[side.edge], number ^ 1
                self.shmem.put(buffers[opposite, : edge.size], edge.ravel(), side.neighbour)
                self.shmem.fence()
                self.shmem.atomic_inc(self.counter(opposite), side.neighbour)
            for number, side in axis:
                self.shmem.wait_until(self.counter(number), GE, self.done)
                ghost = self.inp[side.ghost]
                ghost[:] = buffers[number, : ghost.size].reshape(ghost.shape)

    def counter(self, side: int) -> np.ndarray:
        """Return the count of the edges that arrived from a side."""
        return self.counters[side * APART : side * APART + 1]

    def close(self) -> None:
        self.shmem.close()
