"""Nstream, Coarray Fortran: vectors in a coarray, of which every image works on its own part."""

import numpy as np

from prk.nstream import serial

from . import sizes
from .images import Coarray


class Kernel(serial.Kernel):
    """This image's part; nothing is communicated."""

    def setup(self) -> None:
        self.images = Coarray(self.comm, sizes.nstream(self.problem, self.comm.size))
        super().setup()

    def allocate(self, length: int) -> np.ndarray:
        return self.images.array(sizes.longest_part(self.problem, self.comm.size))[:length]

    def close(self) -> None:
        self.images.close()
