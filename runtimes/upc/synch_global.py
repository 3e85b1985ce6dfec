"""Synch_global, UPC's model: every thread copies the digits of all others, a barrier before and one after."""

from prk import decomposition
from prk.synch_global import serial

from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's digits, its block of a shared array, and a copy of all."""

    def setup(self) -> None:
        super().setup()
        self.team = Threads(self.comm, self.options["access"])
        self.shared, each = self.team.array(self.digits.shape, self.digits.dtype), self.digits.size
        self.shared.own[:] = self.digits
        self.digits = self.shared.own
        self.others = [
            (thread, self.string[thread * each :][:each])
            for thread, _ in decomposition.pairwise(self.comm.rank, self.comm.size)
        ]

    def step(self) -> None:
        # All digits are there.
        self.team.barrier()
        for thread, part in self.others:
            self.shared.memget(part, thread, ((0, part.size),))
        # All digits are copied.
        self.team.barrier()
        super().step()

    def close(self) -> None:
        self.team.close()
