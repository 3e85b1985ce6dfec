"""Random, UPC's model: every update is an atomic XOR of a word of the shared table, whoever owns it."""

import numpy as np
from mpi4py import MPI

from prk.random import serial

from .._mpi import calls
from .._mpi.calls import succeed
from ..mpirma.random import round_of_accumulates
from ..mpishm.random import round_together
from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's block of the table."""

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        super().setup()
        self.calls = calls.window(self.shared.window, self.comm, MPI.UINT64_T, MPI.BXOR)
        self.bases = np.array([block.ctypes.data for block in self.shared.blocks], np.int64)
        # All words have their first values.
        self.team.barrier()

    def allocate(self, words: int) -> np.ndarray:
        self.shared = self.team.array([words], np.uint64)
        return self.shared.own

    def update(self) -> None:
        bits = self.owner_bits, self.word_bits
        if self.team.group:
            round_together(self.bases, self.streams, *bits, self.batches)
        else:
            succeed(round_of_accumulates(self.calls, self.streams, self.comm.size, *bits, self.batches))
        # All updates are made.
        self.team.barrier()

    def look(self) -> None:
        super().look()
        # All have looked at their blocks, which others may update again.
        self.team.barrier()

    def close(self) -> None:
        self.team.close()
