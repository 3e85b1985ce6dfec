"""Nstream, UPC's model: shared vectors, of which every thread works on its block as private memory."""

import numpy as np

from prk.nstream import serial

from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's blocks; nothing is communicated."""

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        super().setup()

    def allocate(self, length: int) -> np.ndarray:
        return self.team.array([length]).own

    def close(self) -> None:
        self.team.close()
