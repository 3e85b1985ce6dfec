"""Nstream, MPI one-sided: every rank's vectors lie in windows."""

import numpy as np

from prk.nstream import serial

from .._mpi import onesided


class Kernel(serial.Kernel):
    """This rank's block; nothing is communicated."""

    def allocate(self, length: int) -> np.ndarray:
        window, vector = onesided.allocate(self.comm, [length], self.options["window"])
        self.windows = [*getattr(self, "windows", []), window]
        return vector

    def close(self) -> None:
        for window in self.windows:
            window.Free()
