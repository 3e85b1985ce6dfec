"""DGEMM, OpenSHMEM: every PE gets the panels out of their owners' symmetric memory, under the products."""

from collections.abc import Mapping

import numpy as np

from prk.dgemm import serial
from prk.dgemm.schedule import Line

from . import heap
from .layer import symmetric


class Got(serial.Panels):
    """Panels out of the blocks of the other PEs of a line, which are as long as this one's."""

    kernel: "Kernel"

    def begin(self, number: int) -> None:
        if not self.line.own(number):
            panel, shmem = self.panel(number), self.kernel.shmem
            start = self.line.within(number).start * panel.shape[1]
            # The place of the owner's panel, which may lie outside of this PE's own block.
            source = self.kernel.room[0 if self.block is self.kernel.A else 1][start : start + panel.size]
            shmem.get_nbi(panel, source.reshape(panel.shape), self.line.owner(number))

    def end(self, number: int) -> None:
        if not self.line.own(number):
            self.kernel.shmem.quiet()


class Kernel(serial.Kernel):
    """This PE's blocks, A and B in symmetric memory, where nothing changes: nobody waits for anybody."""

    def setup(self) -> None:
        self.shmem = symmetric(self.comm, heap.dgemm(self.problem, self.comm.size))
        self.room: list[np.ndarray] = []
        super().setup()
        self.shmem.barrier_all()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        # Symmetric arrays are alike on all PEs.
        height, width = self.problem.shape(0, self.comm.size)
        self.room.append(self.shmem.zeros(height * width))
        return self.room[-1][: shape[0] * shape[1]].reshape(shape)

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        return Got(self, line, block)

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.shmem.barrier_all()

    def close(self) -> None:
        super().close()
        self.shmem.close()
