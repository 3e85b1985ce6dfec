"""Random, MPI shared memory: atomic updates of a group's tables, which its ranks may make at the same time.

Values for other groups travel by the library's alltoallv, a batch at a time.
"""

import numpy as np
from numba import njit

from prk.random import loops, serial

from .._compiled import first_error
from .._mpi.calls import exchange, succeed
from .._mpi.group import Group, Meeting
from ..mpi1.random import room, swap


class Kernel(serial.Kernel):
    """This rank's part of the table in its group's window."""

    def setup(self) -> None:
        self.group = group = Group(self.comm, self.options["group-size"])
        super().setup()
        mates = [rank for rank in range(group.size) if rank != group.rank]
        self.meet = Meeting(group, mates, self.options["local-sync"])
        self.mpi, streams = exchange(self.comm), self.streams.size
        # By owner's rank; a rank of another group has no address here.
        self.bases = np.zeros(self.comm.size, np.int64)
        mine = slice(group.first, group.first + group.size)
        self.bases[mine] = [table.ctypes.data for table in self.tables]
        arriving = streams * self.comm.size if group.count > 1 else 0
        self.batch = room(streams, arriving, self.comm.size)
        # All tables have their first values.
        self.meet()

    def allocate(self, words: int) -> np.ndarray:
        self.tables = self.group.share([words], np.uint64)
        return self.tables[self.group.rank]

    def update(self) -> None:
        bits, group = (self.owner_bits, self.word_bits), self.group
        arguments = self.bases, self.streams, *bits, self.batches
        if group.count == 1:
            round_together(*arguments)
        else:
            succeed(round_(self.mpi, self.batch, group.first, group.first + group.size, *arguments))
        # All have made their updates.
        self.meet()

    def look(self) -> None:
        super().look()
        # All have looked at their tables, which the others may update again.
        self.meet()

    def close(self) -> None:
        self.meet.close()
        self.group.close()


@njit(nogil=True, cache=True)
def round_together(bases, streams, owner_bits, word_bits, batches):
    """Run the batches of a round in one group that owns the whole table."""
    for _ in range(batches):
        loops.advance(streams)
        loops.update_shared(bases, owner_bits, word_bits, streams)


@njit(nogil=True, cache=True)
def round_(mpi, batch, first, beyond, bases, streams, owner_bits, word_bits, batches):
    """Run the batches of a round; return MPI's error code. The group's ranks are `first` to `beyond` - 1."""
    code = 0
    for _ in range(batches):
        loops.advance(streams)
        loops.pack(streams, owner_bits, word_bits, batch.given, batch.given_at, batch.out)
        # What is for this group stands together and goes nowhere.
        start, end = batch.given_at[first], batch.given_at[beyond - 1] + batch.given[beyond - 1]
        batch.given[first:beyond] = 0
        told, arrived = swap(mpi, batch)
        code = first_error(code, told)
        loops.update_shared(bases, owner_bits, word_bits, batch.out[start:end])
        loops.update_shared(bases, owner_bits, word_bits, batch.into[:arrived])
    return code
