"""PIC, MPI one-sided: what a rank gives stands in its window, and the partners get it when they are told."""

from collections.abc import Sequence

import numpy as np

from prk.pic import distributed

from .._mpi import onesided
from .._mpi.largecount import message
from .._pic import doubles
from .._pic.outbox import Outbox


class Window(Outbox):
    """The outbox in a window that is always locked; counters of the others say what may be got."""

    def __init__(self, comm, length: int, flavour: str):
        self.window, held = onesided.allocate(comm, [length], flavour)
        super().__init__(comm.rank, comm.size, held)
        self.told, self.thanked = (onesided.Counters(comm, flavour) for _ in range(2))
        self.window.Lock_all()

    def tell(self, to: int) -> None:
        self.window.Sync()
        self.told.raise_at(to)

    def await_told(self, source: int, times: int) -> None:
        self.told.wait_for(source, times)

    def thank(self, source: int) -> None:
        self.thanked.raise_at(source)

    def await_thanked(self, to: int, times: int) -> None:
        self.thanked.wait_for(to, times)

    def read(self, source: int, start: int, into: np.ndarray) -> None:
        self.window.Get(message(into), source, start)
        self.window.Flush(source)

    def free(self) -> None:
        self.window.Unlock_all()
        self.window.Free()
        self.told.free()
        self.thanked.free()


class Kernel(distributed.Kernel):
    """This rank's tile."""

    def setup(self) -> None:
        length = doubles(self.problem, self.comm.size)
        self.window = Window(self.comm, length, self.options["window"])
        super().setup()

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.window.exchange(partners, out)

    def close(self) -> None:
        self.window.free()
