"""PIC, MPI two-sided: counts travel to the partners, then what they count."""

from collections.abc import Sequence

import numpy as np
from mpi4py import MPI

from prk import memory
from prk.pic import distributed

from .._mpi.largecount import message


class Kernel(distributed.Kernel):
    """This rank's tile."""

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        if not partners:
            return []
        given = np.array([part.size for part in out], np.int64)
        taken = np.zeros_like(given)
        self.swap(partners, np.split(given, given.size), np.split(taken, taken.size))
        into = [memory.empty(size) for size in taken.tolist()]
        self.swap(partners, out, into)
        return into

    def swap(self, partners: Sequence[int], out: Sequence[np.ndarray], into: Sequence[np.ndarray]) -> None:
        """Exchange arrays whose lengths both sides know; empty ones do not travel."""
        requests = [
            self.comm.Irecv(message(part), partner)
            for part, partner in zip(into, partners, strict=True)
            if part.size
        ]
        requests += [
            self.comm.Isend(message(part.ravel()), partner)
            for part, partner in zip(out, partners, strict=True)
            if part.size
        ]
        MPI.Request.Waitall(requests)

    def total(self, counts: np.ndarray) -> np.ndarray:
        found = np.empty_like(counts)
        self.comm.Allreduce(counts, found)
        return found
