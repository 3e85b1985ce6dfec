"""Random, serial: one member makes all updates, in two equal rounds a repetition."""

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.random import loops, sequence
from prk.random.problem import Random


class Kernel(kernel.Kernel[Random]):
    """This member's part of the table, and its streams.

    A second round takes all updates of the first one back. So the table is looked at between them, in the
    time of the repetition: its XOR and that of all values must cancel, over all members, in each repetition.
    """

    def setup(self) -> None:
        problem, rank, size = self.problem, self.comm.rank, self.comm.size
        self.span = problem.span(rank, size)
        self.batches = problem.batches(size)
        # The bits of a value that say whose word it updates, and which of that member's.
        self.owner_bits = size.bit_length() - 1
        self.word_bits = problem.log2_size - self.owner_bits
        self.seeds = problem.seeds(rank, size)
        self.streams = self.seeds.copy()
        self.table = self.allocate(self.span[1] - self.span[0])
        self.start()
        self.first_rounds, self.updates = np.zeros(1, np.uint64), np.zeros(1, np.int64)
        self.values = loops.total_of_streams(self.streams, self.batches)
        self.kept = self.table.copy() if problem.audit else np.empty(0, np.uint64)

    def allocate(self, words: int) -> np.ndarray:
        """Return this member's part of the table, its pages not yet touched."""
        return memory.empty(words, np.uint64)

    def start(self) -> None:
        """Set each word to its place, which also places the pages."""
        self.table[:] = np.arange(*self.span, dtype=np.uint64)

    def update(self) -> None:
        """Make all updates of a round, from streams that stand before their first values."""
        loops.round_alone(self.table, self.streams, self.batches)

    def round(self) -> None:
        """Run a round. When it returns, the updates of all members to this one's table are made."""
        self.streams[:] = self.seeds
        self.update()
        self.updates += self.batches * self.streams.size

    def total(self) -> np.uint64:
        """Return the XOR of this member's table."""
        return loops.total(self.table)

    def look(self) -> None:
        """Take down what the table and the values of the first round come to."""
        # Multiplied by x between repetitions, so that a mistake in one does not cancel that in another.
        self.first_rounds[:] = sequence.after(self.first_rounds) ^ self.total() ^ self.values
        if self.problem.audit:
            self.kept[:] = self.table

    def step(self) -> None:
        self.round()
        self.look()
        self.round()

    def fields(self) -> Fields:
        rank, table = (slice(self.comm.rank, self.comm.rank + 1),), (slice(*self.span),)
        found = {
            "table": Box(table, self.table),
            "first rounds": Box(rank, self.first_rounds),
            "updates": Box(rank, self.updates),
        }
        return {**found, "after the first round": Box(table, self.kept)} if self.problem.audit else found
