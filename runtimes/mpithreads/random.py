"""Random, MPI and threads: all threads sort a batch and make the updates, the first one communicates."""

from typing import Any

import numpy as np
from numba import njit

from prk.random import loops

from .._mpi.calls import succeed
from .._threads.team import DONE, publish, wait, wait_for_all
from ..mpi1 import random as mpi1
from ..numba import random as threaded


class Kernel(threaded.Kernel, mpi1.Kernel):
    """This rank's part of the table and its streams, which its threads divide; the messages are mpi1's."""

    def setup(self) -> None:
        super().setup()
        # Of each thread: how many of its values are for each rank, and where these go in the batch.
        self.counts, self.starts = np.zeros((2, self.team.size, self.comm.size), np.int32)
        self.arrived = np.zeros(1, np.int64)

    def update(self) -> None:
        shared = self.parts, self.bases, self.counts, self.starts, self.arrived
        bits = self.owner_bits, self.word_bits
        self.team.run(self.part, *shared, self.batch, self.streams, *bits, self.batches)

    def part(self, thread: int, *arguments: Any) -> int:
        """Run a round as one thread; return an error of the team, raise one of MPI."""
        code = round_(thread, self.team.shared, self.mpi, *arguments)
        succeed(max(code, 0))
        return code


@njit(nogil=True, cache=True)
def round_(
    thread, team, mpi, parts, bases, counts, starts, arrived, batch, streams, owner_bits, word_bits, batches
):
    """Run the batches of a round as one thread; return an error code, MPI's own if positive."""
    mine, me = streams[parts[thread] : parts[thread + 1]], DONE + thread
    for step in range(0, 3 * batches, 3):
        loops.advance(mine)
        loops.count(mine, owner_bits, word_bits, counts[thread])
        publish(team, me, step + 1)
        if wait_for_all(team, step + 1):
            return -1
        begin(thread, counts, starts[thread])
        loops.sort(mine, owner_bits, word_bits, starts[thread], batch.out)
        publish(team, me, step + 2)
        if thread == 0:
            code = communicate(team, mpi, counts, batch, arrived, step + 2)
            if code:
                return code
            publish(team, me, step + 3)
        elif wait(team, DONE, step + 3):
            return -1
        first, last = arrived[0] * thread // team.size, arrived[0] * (thread + 1) // team.size
        # All that arrives is for this rank's table.
        loops.update_shared(bases, 0, word_bits, batch.into[first:last])
    return 0


@njit(nogil=True, cache=True)
def begin(thread, counts, starts):
    """Let a thread's values for a rank begin after those for ranks before it, and those of threads before."""
    total = 0
    for rank in range(starts.size):
        starts[rank] = total
        for other in range(len(counts)):
            if other < thread:
                starts[rank] += counts[other, rank]
            total += counts[other, rank]


@njit(nogil=True, cache=True)
def communicate(team, mpi, counts, batch, arrived, step):
    """Exchange the batch that all threads have sorted; return an error code, MPI's own if positive."""
    if wait_for_all(team, step):
        return -1
    batch.given[:] = counts.sum(0)
    loops.begin(batch.given, batch.given_at)
    code, arrived[0] = mpi1.swap(mpi, batch)
    return code
