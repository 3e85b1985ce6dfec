"""Nstream, MPI shared memory: every rank's vectors lie in its part of a shared window."""

import numpy as np

from prk.nstream import serial

from .._mpi.group import Group


class Kernel(serial.Kernel):
    """This rank's block; nothing is communicated."""

    def setup(self) -> None:
        self.group = Group(self.comm, self.options["group-size"])
        super().setup()

    def allocate(self, length: int) -> np.ndarray:
        return self.group.share([length])[self.group.rank]

    def close(self) -> None:
        self.group.close()
