"""Sparse, Coarray Fortran: slices of the vector are put to all others, and an event of each is posted."""

import numpy as np

from prk import decomposition
from prk.sparse import serial

from . import sizes
from .images import Coarray

# Events: a slice has come, and this image's has been used up.
CAME, USED = 0, 1


class Kernel(serial.Kernel):
    """This image's rows, and the whole vector in a coarray."""

    def setup(self) -> None:
        self.images = Coarray(self.comm, sizes.sparse(self.problem, self.comm.size), events=2)
        super().setup()
        self.others = [to for _, to in decomposition.pairwise(self.comm.rank, self.comm.size)]
        self.done = 0
        # All vectors are 0.
        self.images.sync_all()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        return self.images.array(shape)

    def gather(self) -> None:
        if self.done:
            self.images.wait(USED, len(self.others))
        self.done += 1
        for to in self.others:
            self.images.put(self.own, self.own, to)
            self.images.post(CAME, to)
        self.images.wait(CAME, len(self.others))

    def step(self) -> None:
        super().step()
        for to in self.others:
            self.images.post(USED, to)

    def close(self) -> None:
        self.images.close()
