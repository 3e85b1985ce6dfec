"""Random, OpenSHMEM: put values into their owners' landing buffers, fence, set a flag that counts them."""

import numpy as np
from numba import njit

from prk import memory
from prk.random import loops, serial

from .._compiled import first_error
from . import heap
from .compiled import GE, atomic_set, fence, put, wait_until
from .heap import APART
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's part of the table, and two landing buffers for each PE.

    A PE that is one batch ahead puts into the other buffer; two ahead it cannot be, because it has waited for
    this PE's own values.
    """

    def setup(self) -> None:
        super().setup()
        size, count = self.comm.size, self.streams.size
        self.shmem = symmetric(self.comm, heap.random(self.problem, size))
        self.landing = self.shmem.zeros((2, size, count), np.uint64)
        self.flags = self.shmem.zeros((2, size, APART), np.int64)
        self.out = memory.empty(count, np.uint64)
        self.counts, self.starts = np.zeros((2, size), np.int64)
        self.done, self.word = 0, np.zeros(1, np.int64)

    def update(self) -> None:
        first, self.done = self.done + 1, self.done + self.batches
        code = round_(
            self.shmem.calls, self.table, self.streams, (self.counts, self.starts, self.out),
            self.landing, self.flags, self.word, self.comm.rank, self.owner_bits, self.word_bits,
            first, self.done + 1,
        )  # fmt: skip
        if code:
            raise RuntimeError(f"the exchange stopped with error {code}")

    def close(self) -> None:
        self.shmem.close()


@njit(nogil=True, cache=True)
def round_(sh, table, streams, sorted_, landing, flags, word, rank, owner_bits, word_bits, first, last):
    """Run batches `first` to `last` - 1 of all; return an error code, 0 if all went well."""
    counts, starts, out = sorted_
    size, room, code = counts.size, streams.size, np.int32(0)
    for number in range(first, last):
        loops.advance(streams)
        loops.pack(streams, owner_bits, word_bits, counts, starts, out)
        half = number % 2
        for step in range(1, size):
            to = (rank + step) % size
            values = out[starts[to] : starts[to] + counts[to]]
            # As many as a flag says beyond its batch's own number.
            word[0] = number * (room + 1) + counts[to]
            told = deliver(sh, values, landing[half, rank], flags[half, rank], word, to)
            code = first_error(code, told)
        loops.update(table, out[starts[rank] : starts[rank] + counts[rank]])
        for step in range(1, size):
            source = (rank - step) % size
            flag = flags[half, source]
            code = first_error(code, wait_until(sh, flag.ctypes.data, GE, number * (room + 1)))
            if code:
                return code
            count = flag[0] - number * (room + 1)
            loops.update(table, landing[half, source, :count])
    return code


@njit(nogil=True, cache=True)
def deliver(sh, values, landing, flag, word, to):
    """Put values to PE `to`, at the place of `landing` there, then set its flag; return an error code."""
    code = np.int32(0)
    if values.size:
        code = put(sh, landing.ctypes.data, values.ctypes.data, values.size, to)
        code = first_error(code, fence(sh, to))
    return first_error(code, atomic_set(sh, flag.ctypes.data, word, to))
