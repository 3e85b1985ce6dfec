"""Random, MPI two-sided: a batch of all streams, sorted by owner; counts travel, then values."""

from typing import NamedTuple

import numpy as np
from numba import njit

from prk import memory
from prk.random import loops, serial

from .._compiled import first_error
from .._mpi.calls import alltoall, alltoallv, exchange, succeed


class Batch(NamedTuple):
    """What leaves and what arrives: values, how many to or from each rank, and where those of one begin."""

    out: np.ndarray
    given: np.ndarray
    given_at: np.ndarray
    into: np.ndarray
    taken: np.ndarray
    taken_at: np.ndarray


def room(leaving: int, arriving: int, ranks: int) -> Batch:
    """Return buffers for so many values that leave, and that arrive at most."""
    out, into = memory.empty(leaving, np.uint64), memory.empty(arriving, np.uint64)
    given, given_at, taken, taken_at = np.zeros((4, ranks), np.int32)
    return Batch(out, given, given_at, into, taken, taken_at)


class Kernel(serial.Kernel):
    """This rank's part of the table, which it alone updates."""

    def setup(self) -> None:
        super().setup()
        self.mpi, size = exchange(self.comm), self.comm.size
        # Any number of a batch's values may be for one rank.
        self.batch = room(self.streams.size, size * self.streams.size, size)

    def update(self) -> None:
        bits = self.owner_bits, self.word_bits
        succeed(round_(self.mpi, self.table, self.streams, self.batch, *bits, self.batches))


@njit(nogil=True, cache=True)
def round_(mpi, table, streams, batch, owner_bits, word_bits, batches):
    """Run the batches of a round; return MPI's error code."""
    code = 0
    for _ in range(batches):
        loops.advance(streams)
        loops.pack(streams, owner_bits, word_bits, batch.given, batch.given_at, batch.out)
        told, arrived = swap(mpi, batch)
        code = first_error(code, told)
        loops.update(table, batch.into[:arrived])
    return code


@njit(nogil=True, cache=True)
def swap(mpi, batch):
    """Exchange the sorted values of a batch; return MPI's error code, and how many have arrived."""
    code = alltoall(mpi, batch.given, batch.taken)
    arrived = loops.begin(batch.taken, batch.taken_at)
    told = alltoallv(mpi, batch.out, batch.given, batch.given_at, batch.into, batch.taken, batch.taken_at)
    return first_error(code, told), arrived
