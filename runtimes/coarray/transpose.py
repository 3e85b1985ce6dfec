"""Transpose, Coarray Fortran: a block a phase is put to, or got from, another image, between two events."""

import numpy as np

from prk import decomposition, memory
from prk.transpose import loops, serial

from . import sizes
from .images import Coarray


class Kernel(serial.Kernel):
    """This image's column blocks, and a coarray with a block a phase: where one lands, or can be got."""

    def setup(self) -> None:
        super().setup()
        size, shape = self.comm.size, (self.width, self.width)
        # Of each phase: its block may be used, and has been.
        self.images = Coarray(self.comm, sizes.transpose(self.problem, size), events=2 * size)
        self.shared = self.images.array((size - 1, *shape))
        self.private = memory.empty(shape)
        self.private[:] = 0.0
        self.puts = self.options["access"] == "put"
        self.phases = list(enumerate(decomposition.pairwise(self.comm.rank, size)))
        self.done = 0

    def step(self) -> None:
        self.transpose_diagonal()
        for phase, (source, to) in self.phases:
            self.send(phase, to)
            self.receive(phase, source)
        self.done += 1

    def send(self, phase: int, to: int) -> None:
        """Transpose the block for `to`, once the last one was used, and put it there or let it be got."""
        if self.done:
            self.images.wait(self.comm.size + phase)
        block = self.private if self.puts else self.shared[phase]
        loops.pack(self.A, 0, to * self.width, block, 0, 0, self.width, self.width, self.tile)
        if self.puts:
            self.images.put(self.shared[phase], block, to)
        self.images.post(phase, to)

    def receive(self, phase: int, source: int) -> None:
        """Wait for the block from `source`, add it to B and say that it was used."""
        self.images.wait(phase)
        loops.unpack(self.block(phase, source), 0, 0, self.B, 0, source * self.width, self.width, self.width)
        self.images.post(self.comm.size + phase, source)

    def block(self, phase: int, source: int) -> np.ndarray:
        """Return the block of a phase, which has been put here or is got now."""
        if self.puts:
            return self.shared[phase]
        self.images.get(self.private, self.shared[phase], source)
        return self.private

    def close(self) -> None:
        self.images.close()
