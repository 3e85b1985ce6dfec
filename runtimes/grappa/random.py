"""Random, Grappa's model: every update is a delegate at the home core of its word."""

import numpy as np
from numba import njit

from prk.random import loops, serial

from .._compiled import first_error
from .core import LAST, XOR, Home, check, complete, delegate_word, send_all


class Kernel(serial.Kernel):
    """This core's part of the table, which it alone updates."""

    def setup(self) -> None:
        super().setup()
        self.home = Home(self.comm, self.options, self.table)
        self.rounds = 0

    def update(self) -> None:
        self.rounds += 1
        bits = self.owner_bits, self.word_bits
        check(round_(self.home.core, self.table, self.streams, *bits, self.batches))
        for other in range(self.comm.size):
            if other != self.comm.rank:
                check(complete(self.home.core, other, self.rounds))
        # All updates of the round have run, everywhere: none of the next one comes before.
        self.comm.Barrier()

    def close(self) -> None:
        self.home.drain()


@njit(nogil=True, cache=True)
def round_(core, table, streams, owner_bits, word_bits, batches):
    """Delegate the updates of a round to the owners, and make the own ones; return an error."""
    code, last = 0, (np.uint64(1) << np.uint64(word_bits)) - np.uint64(1)
    for _ in range(batches):
        loops.advance(streams)
        for j in range(streams.size):
            owner, word = loops.owner(streams[j], owner_bits, word_bits), np.int64(streams[j] & last)
            if owner == core.rank:
                table[word] ^= streams[j]
            else:
                told = delegate_word(core, owner, XOR, word, np.int64(streams[j]))
                code = first_error(code, told)
    return first_error(code, send_all(core, LAST))
