"""Transpose, UPC's model: a block a phase, pulled out of a shared array in which its owner has packed it."""

from prk import decomposition, memory
from prk.transpose import loops, serial

from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's column blocks, one block of a shared array, and room for a copy of another one's."""

    def setup(self) -> None:
        super().setup()
        self.team = Threads(self.comm, self.options["access"])
        shape = self.width, self.width
        self.outgoing = self.team.array(shape)
        self.incoming = memory.empty(shape)
        self.outgoing.own[:], self.incoming[:] = 0.0, 0.0
        self.whole = ((0, self.width), (0, self.width))
        self.phases = decomposition.pairwise(self.comm.rank, self.comm.size)

    def step(self) -> None:
        self.transpose_diagonal()
        for source, to in self.phases:
            column = to * self.width
            loops.pack(self.A, 0, column, self.outgoing.own, 0, 0, self.width, self.width, self.tile)
            # All blocks are packed.
            self.team.barrier()
            block = self.outgoing.pull(source, self.whole, self.incoming)
            loops.unpack(block, 0, 0, self.B, 0, source * self.width, self.width, self.width)
            # All blocks are used.
            self.team.barrier()

    def close(self) -> None:
        self.team.close()
