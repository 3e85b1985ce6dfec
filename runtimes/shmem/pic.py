"""PIC, OpenSHMEM: what a PE gives stands in symmetric memory, and the partners get it when they are told."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from prk.pic import distributed

from .._pic import doubles
from .._pic.outbox import Outbox
from . import heap
from .compiled import GE
from .heap import APART
from .layer import symmetric


class Symmetric(Outbox):
    """The outbox in symmetric memory, with two counters a PE that this one raises at the others."""

    def __init__(self, comm: Any, shmem: Any, length: int):
        super().__init__(comm.rank, comm.size, shmem.zeros(length))
        self.shmem = shmem
        self.told, self.thanked = shmem.zeros((2, comm.size, APART), np.int64)

    def tell(self, to: int) -> None:
        self.shmem.quiet()
        self.shmem.atomic_inc(self.told[self.rank, :1], to)

    def await_told(self, source: int, times: int) -> None:
        self.shmem.wait_until(self.told[source, :1], GE, times)

    def thank(self, source: int) -> None:
        self.shmem.atomic_inc(self.thanked[self.rank, :1], source)

    def await_thanked(self, to: int, times: int) -> None:
        self.shmem.wait_until(self.thanked[to, :1], GE, times)

    def read(self, source: int, start: int, into: np.ndarray) -> None:
        self.shmem.get(into, self.held[start : start + into.size], source)


class Kernel(distributed.Kernel):
    """This PE's tile."""

    def setup(self) -> None:
        self.shmem = symmetric(self.comm, heap.pic(self.problem, self.comm.size))
        self.outbox = Symmetric(self.comm, self.shmem, doubles(self.problem, self.comm.size))
        super().setup()

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.outbox.exchange(partners, out)

    def close(self) -> None:
        self.shmem.close()
