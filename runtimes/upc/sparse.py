"""Sparse, UPC's model: every thread copies the slices of all others out of a shared vector."""

from prk import decomposition
from prk.sparse import serial

from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's rows and a copy of the vector; its slice is also its block of the shared one."""

    def setup(self) -> None:
        super().setup()
        self.team = Threads(self.comm, self.options["access"])
        self.shared = self.team.array([self.own.size])
        self.slices = [
            (thread, self.vector[thread * self.own.size :][: self.own.size])
            for thread, _ in decomposition.pairwise(self.comm.rank, self.comm.size)
        ]

    def gather(self) -> None:
        self.shared.own[:] = self.own.reshape(-1)
        # All slices are updated.
        self.team.barrier()
        for thread, part in self.slices:
            self.shared.memget(part, thread, ((0, part.size),))
        # All slices are copied.
        self.team.barrier()

    def close(self) -> None:
        self.team.close()
