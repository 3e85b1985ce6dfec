"""Random, MPI one-sided: a batch's values put into their owners' windows, with a flag that counts them.

Or every update is an Accumulate, by XOR, into the window that holds the table.
"""

from typing import Any

import numpy as np
from mpi4py import MPI
from numba import njit

from prk import memory
from prk.random import loops, serial

from .._compiled import first_error
from .._mpi import calls, onesided
from .._mpi.calls import await_flag, flush, put, put_flag, succeed
from .._threads import team as threads

# Words from a flag to the next: a cache line.
APART = 8


class Kernel(serial.Kernel):
    """This rank's part of the table, in a window, or beside one in which each rank has room for two batches.

    A rank that is one batch ahead puts into the other room; two ahead it cannot be, because it has waited for
    this rank's own values.
    """

    def setup(self) -> None:
        self.putting = self.options["access"] == "put"
        super().setup()
        comm, count = self.comm, self.streams.size
        if self.putting:
            words = 2 * comm.size * (count + APART)
            self.window, self.landing = self.expose(words)
            self.landing[:] = 0
            self.out = memory.empty(count, np.uint64)
            self.counts, self.starts = np.zeros((2, comm.size), np.int64)
            self.done, self.flag = 0, np.zeros(1, np.int64)
        own = () if self.putting else (MPI.UINT64_T, MPI.BXOR)
        self.calls = calls.window(self.window, comm, *own)
        self.window.Lock_all()
        self.window.Sync()
        comm.Barrier()

    def allocate(self, words: int) -> np.ndarray:
        if self.putting:
            return super().allocate(words)
        self.window, table = self.expose(words)
        return table

    def expose(self, words: int) -> tuple[Any, np.ndarray]:
        return onesided.allocate(self.comm, [words], self.options["window"], np.uint64)

    def update(self) -> None:
        bits, rank = (self.owner_bits, self.word_bits), self.comm.rank
        if self.putting:
            first, self.done = self.done + 1, self.done + self.batches
            sorted_ = self.counts, self.starts, self.out
            code = round_of_puts(
                self.calls, self.table, self.streams, sorted_, self.landing, self.flag, rank, *bits,
                first, self.done + 1,
            )  # fmt: skip
            threads.check(code < 0)
            succeed(code)
        else:
            succeed(round_of_accumulates(self.calls, self.streams, self.comm.size, *bits, self.batches))
            self.synchronise()

    def look(self) -> None:
        super().look()
        if not self.putting:
            self.synchronise()

    def synchronise(self) -> None:
        """Wait until all ranks have made their accesses to all windows."""
        self.window.Sync()
        self.comm.Barrier()
        self.window.Sync()

    def close(self) -> None:
        self.window.Unlock_all()
        self.window.Free()


@njit(nogil=True, cache=True)
def round_of_puts(window, table, streams, sorted_, landing, flag, rank, owner_bits, word_bits, first, last):
    """Run batches `first` to `last` - 1 of all; return MPI's error code, or less than 0 after a vain wait."""
    counts, starts, out = sorted_
    size, room, code = counts.size, streams.size, 0
    for number in range(first, last):
        loops.advance(streams)
        loops.pack(streams, owner_bits, word_bits, counts, starts, out)
        half = number % 2 * size
        flags = 2 * size * room + APART * half
        for step in range(1, size):
            to = (rank + step) % size
            values = out[starts[to] : starts[to] + counts[to]]
            # As many as a flag says beyond its batch's own number.
            flag[0] = number * (room + 1) + counts[to]
            place = (half + rank) * room, flags + APART * rank
            code = first_error(code, deliver(window, values, flag, to, *place))
        loops.update(table, out[starts[rank] : starts[rank] + counts[rank]])
        for step in range(1, size):
            source = (rank - step) % size
            told = flags + APART * source
            code = first_error(code, await_flag(window, landing[told:].ctypes.data, number * (room + 1)))
            if code:
                return code
            start, count = (half + source) * room, np.int64(landing[told]) - number * (room + 1)
            loops.update(table, landing[start : start + count])
    return code


@njit(nogil=True, cache=True)
def deliver(window, values, flag, to, place, flag_place):
    """Put values into the window of rank `to`, then the flag; return MPI's error code."""
    code = 0
    if values.size:
        code = put(window, values.ctypes.data, values.size, to, place)
        code = first_error(code, flush(window, to))
    code = first_error(code, put_flag(window, flag.ctypes.data, to, flag_place))
    return first_error(code, flush(window, to))


@njit(nogil=True, cache=True)
def round_of_accumulates(window, streams, size, owner_bits, word_bits, batches):
    """Run the batches of a round, in each an access for every value; return MPI's error code."""
    code, last = 0, (np.uint64(1) << np.uint64(word_bits)) - np.uint64(1)
    for _ in range(batches):
        loops.advance(streams)
        for j in range(streams.size):
            owner = loops.owner(streams[j], owner_bits, word_bits)
            word = np.int64(streams[j] & last)
            code = first_error(code, put_flag(window, streams[j:].ctypes.data, owner, word))
        for rank in range(size):
            # The streams go on in place.
            code = first_error(code, flush(window, rank))
    return code
