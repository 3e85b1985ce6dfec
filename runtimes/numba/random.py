"""Random, threads: all update one table by atomic instructions, each from its part of the streams."""

import numpy as np
from numba import njit

from prk.random import loops, serial

from .._threads import team as threads


class Kernel(serial.Kernel):
    """This member's part of the table, shared by its threads, and a part of the streams for each of them."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def start(self) -> None:
        self.words = self.team.parts(self.table.size)
        self.parts = self.team.parts(self.streams.size)
        self.bases = np.array([self.table.ctypes.data])
        self.totals = np.zeros(self.team.size, np.uint64)
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's part of the table near it."""
        self.table[slice(*self.words[thread : thread + 2])] = 0

    def update(self) -> None:
        bits = self.owner_bits, self.word_bits
        self.team.run(round_, self.parts, self.bases, *bits, self.streams, self.batches)

    def total(self) -> np.uint64:
        self.team.run(total, self.words, self.table, self.totals)
        return loops.total(self.totals)

    def close(self) -> None:
        self.team.close()
        super().close()


@njit(nogil=True, cache=True)
def round_(thread, parts, bases, owner_bits, word_bits, streams, batches):
    """Run the batches of a round on this thread's streams."""
    mine = streams[parts[thread] : parts[thread + 1]]
    for _ in range(batches):
        loops.advance(mine)
        loops.update_shared(bases, owner_bits, word_bits, mine)


@njit(nogil=True, cache=True)
def total(thread, words, table, totals):
    """Take down the XOR of this thread's part of the table."""
    totals[thread] = loops.total(table[words[thread] : words[thread + 1]])
