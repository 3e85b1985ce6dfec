"""Transpose, OpenSHMEM: put a block into the other PE's landing buffer of its phase, and count it."""

import numpy as np

from prk import decomposition, memory
from prk.transpose import loops, serial

from . import heap
from .compiled import GE
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's column blocks, with a landing buffer a phase."""

    def setup(self) -> None:
        super().setup()
        size, width = self.comm.size, self.width
        self.shmem = symmetric(self.comm, heap.transpose(self.problem, size))
        self.landing = self.shmem.zeros((size - 1, width, width))
        # Blocks that arrived in each phase, and blocks of mine that were taken out of the other's buffer.
        self.arrived, self.taken = (self.shmem.zeros(size, np.int64) for _ in range(2))
        self.outgoing = memory.empty((width, width))
        self.outgoing[:] = 0.0
        self.phases = list(enumerate(decomposition.pairwise(self.comm.rank, size)))
        self.done = 0

    def step(self) -> None:
        self.done += 1
        self.transpose_diagonal()
        for phase, (source, to) in self.phases:
            self.send(phase, to)
            self.receive(phase, source)

    def send(self, phase: int, to: int) -> None:
        """Transpose the block for `to` and put it there, once the last one was taken."""
        width = self.width
        loops.pack(self.A, 0, to * width, self.outgoing, 0, 0, width, width, self.tile)
        self.shmem.wait_until(self.taken[phase : phase + 1], GE, self.done - 1)
        self.shmem.put(self.landing[phase], self.outgoing, to)
        self.shmem.fence()
        self.shmem.atomic_inc(self.arrived[phase : phase + 1], to)

    def receive(self, phase: int, source: int) -> None:
        """Wait for the block from `source`, add it to B and say that the buffer is free."""
        self.shmem.wait_until(self.arrived[phase : phase + 1], GE, self.done)
        loops.unpack(self.landing[phase], 0, 0, self.B, 0, source * self.width, self.width, self.width)
        self.shmem.atomic_inc(self.taken[phase : phase + 1], source)

    def close(self) -> None:
        self.shmem.close()
