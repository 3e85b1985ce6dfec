"""Random, Coarray Fortran: values are put into their owners' landing buffers, and events are posted."""

import numpy as np
from numba import njit

from prk import memory
from prk.random import loops, serial

from .._compiled import first_error
from . import sizes
from .images import Coarray, done, post, put, wait


class Kernel(serial.Kernel):
    """This image's part of the table, and two landing buffers for each image.

    An image that is one batch ahead puts into the other buffer; two ahead it cannot be, because it has waited
    for this image's own values.
    """

    def setup(self) -> None:
        super().setup()
        size, count = self.comm.size, self.streams.size
        # An event for each image and buffer.
        self.images = Coarray(self.comm, sizes.random(self.problem, size), events=2 * size)
        # Before the values stands how many they are, here and where they are put together.
        self.landing = self.images.array((2, size, 1 + count), np.uint64)
        self.out, self.parcel = memory.empty(count, np.uint64), memory.empty(1 + count, np.uint64)
        self.counts, self.starts = np.zeros((2, size), np.int64)
        self.batch = 0

    def update(self) -> None:
        first, self.batch = self.batch, self.batch + self.batches
        sorted_, where = (self.counts, self.starts, self.out), (self.landing, self.parcel)
        bits = self.owner_bits, self.word_bits
        done(
            round_(
                self.images.calls, self.table, self.streams, sorted_, where, self.comm.rank, bits,
                first, self.batch,
            )
        )  # fmt: skip

    def close(self) -> None:
        self.images.close()


@njit(nogil=True, cache=True)
def round_(images, table, streams, sorted_, where, rank, bits, first, last):
    """Run batches `first` to `last` - 1 of all; return the first code that is not 0."""
    counts, starts, out = sorted_
    landing, parcel = where
    size, code = counts.size, np.int32(0)
    for number in range(first, last):
        loops.advance(streams)
        loops.pack(streams, bits[0], bits[1], counts, starts, out)
        half = number % 2
        for step in range(1, size):
            to = (rank + step) % size
            count = counts[to]
            parcel[0] = count
            parcel[1 : 1 + count] = out[starts[to] : starts[to] + count]
            there = landing[half, rank].ctypes.data
            code = first_error(code, put(images, there, parcel.ctypes.data, 8 * (1 + count), to))
            code = first_error(code, post(images, half * size + rank, to))
        loops.update(table, out[starts[rank] : starts[rank] + counts[rank]])
        for step in range(1, size):
            source = (rank - step) % size
            code = first_error(code, wait(images, half * size + source, 1))
            if code:
                return code
            held = landing[half, source]
            loops.update(table, held[1 : 1 + np.int64(held[0])])
    return code
