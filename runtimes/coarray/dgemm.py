"""DGEMM, Coarray Fortran: every image gets the panels out of the others' blocks, each before its product."""

from collections.abc import Mapping

import numpy as np

from prk.dgemm import serial
from prk.dgemm.schedule import Line

from . import sizes
from .images import Coarray


class Got(serial.Panels):
    """Panels out of the blocks of the other images of a line, which are as long as this one's."""

    kernel: "Kernel"

    def end(self, number: int) -> None:
        # Co-indexing returns with what it gets, so that nothing can be begun under a product.
        if not self.line.own(number):
            panel = self.panel(number)
            start = self.line.within(number).start * panel.shape[1]
            # The place of the owner's panel, which may lie outside of this image's own block.
            room = self.kernel.room[0 if self.block is self.kernel.A else 1]
            self.kernel.images.get(panel, room[start : start + panel.size], self.line.owner(number))


class Kernel(serial.Kernel):
    """This image's blocks, A and B in a coarray, where nothing changes: nobody waits for anybody."""

    def setup(self) -> None:
        self.images = Coarray(self.comm, sizes.dgemm(self.problem, self.comm.size))
        self.room: list[np.ndarray] = []
        super().setup()
        # All blocks are as they are to be got.
        self.images.sync_all()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        # What is in a coarray is as large on all images.
        height, width = self.problem.shape(0, self.comm.size)
        self.room.append(self.images.array(height * width))
        return self.room[-1][: shape[0] * shape[1]].reshape(shape)

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        return Got(self, line, block)

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.images.sync_all()

    def close(self) -> None:
        super().close()
        self.images.close()
