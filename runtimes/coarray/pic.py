"""PIC, Coarray Fortran: what an image gives stands in a coarray, and its partners get it when told."""

from collections.abc import Sequence

import numpy as np

from prk.pic import distributed

from .._pic import doubles
from .._pic.outbox import Outbox
from . import sizes
from .images import Coarray


class Shared(Outbox):
    """The outbox in a coarray, with two events a partner: something stands there, and it was read."""

    def __init__(self, kernel: "Kernel"):
        comm, length = kernel.comm, doubles(kernel.problem, kernel.comm.size)
        self.images = Coarray(comm, sizes.pic(kernel.problem, comm.size), events=2 * comm.size)
        super().__init__(comm.rank, comm.size, self.images.array(length))
        self.size = comm.size

    def tell(self, to: int) -> None:
        self.images.post(self.rank, to)

    def await_told(self, source: int, times: int) -> None:
        self.images.wait(source)

    def thank(self, source: int) -> None:
        self.images.post(self.size + self.rank, source)

    def await_thanked(self, to: int, times: int) -> None:
        self.images.wait(self.size + to)

    def read(self, source: int, start: int, into: np.ndarray) -> None:
        self.images.get(into, self.held[start : start + into.size], source)


class Kernel(distributed.Kernel):
    """This image's tile."""

    def setup(self) -> None:
        self.outbox = Shared(self)
        super().setup()

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.outbox.exchange(partners, out)

    def close(self) -> None:
        self.outbox.images.close()
