"""Random on tagged messages: a batch of all streams, sorted by owner, a message to each of them."""

from typing import Any

import numpy as np

from prk import memory
from prk.random import loops, serial
from prk.team import Messages

from . import counted


class Kernel(serial.Kernel):
    """This member's part of the table, which it alone updates."""

    comm: Messages

    def setup(self) -> None:
        super().setup()
        rank, size = self.comm.rank, self.comm.size
        self.out = memory.empty(self.streams.size, np.uint64)
        self.counts, self.starts = np.zeros((2, size), np.int64)
        # Members begin with different receivers.
        self.others = [(rank + step) % size for step in range(1, size)]

    def update(self) -> None:
        self.comm.repetitions += 1
        bits = self.owner_bits, self.word_bits
        for batch in range(self.batches):
            loops.advance(self.streams)
            loops.pack(self.streams, *bits, self.counts, self.starts, self.out)
            tag = self.comm.repetitions, batch
            for to in self.others:
                # Also if there are none: the receiver cannot know.
                self.comm.send(to, (*tag, self.comm.rank), self.part(to).copy())
            loops.update(self.table, self.part(self.comm.rank))
            for source in self.others:
                (values,) = self.comm.receive((*tag, source))
                loops.update(self.table, values)

    def part(self, owner: int) -> np.ndarray:
        """Return the values of the batch that update the words of one member."""
        start = self.starts[owner]
        return self.out[start : start + self.counts[owner]]

    def findings(self) -> dict[str, Any]:
        return counted(self.comm, 2 * self.batches * len(self.others))
