"""Allreduce, MPI shared memory: each rank sums its part of all inputs and stores it into all outputs.

Inputs and outputs lie in windows of the group. Several groups reduce in three stages: a part is summed in
each group, then over the groups by messages between the ranks that have this part, then stored in each group.
"""

from typing import Any

import numpy as np
from mpi4py import MPI
from numba import njit

from prk import decomposition
from prk.allreduce import serial

from .._compiled import first_error
from .._mpi.group import Group, meet
from .._threads import team as threads

# Elements summed at once: few enough to stay in the first cache from the sum to the last store.
CHUNK = 2048


class Kernel(serial.Kernel):
    """This rank's rows of the group's inputs and outputs, and the part of all rows that it sums."""

    def setup(self) -> None:
        self.group = group = Group(self.comm, self.options["group-size"])
        self.rows: list[np.ndarray] = []
        super().setup()
        # In place, the second rows are input and output.
        self.inputs, self.outputs = self.rows[1 if self.in_place else 0], self.rows[1]
        self.start, self.stop = decomposition.block(self.output.size, group.size, group.rank)
        self.peers: Any = self.comm.Split(group.rank, self.comm.rank)
        mates = [rank for rank in range(group.size) if rank != group.rank]
        self.team = group.flags(), group.rank, np.array(mates, np.int64)
        self.meetings = 0
        self.comm.Barrier()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        rows = self.group.share_one((self.group.size, shape[1]), self.problem.dtype)
        self.rows.append(rows)
        return rows[self.group.rank : self.group.rank + 1]

    def collective(self) -> None:
        part = self.inputs, self.outputs, self.start, self.stop
        self.meetings += 2
        if self.group.count == 1:
            threads.check(reduce(*self.team, self.meetings, *part))
            return
        # All mates have entered: their inputs are complete, their outputs may be overwritten.
        threads.check(meet(*self.team, self.meetings - 1))
        add(self.group.rank, *part)
        own = self.output[0, self.start : self.stop]
        self.peers.Allreduce(MPI.IN_PLACE, own)
        store(self.group.rank, self.outputs, self.start, self.stop)
        threads.check(meet(*self.team, self.meetings))

    def close(self) -> None:
        self.peers.Free()
        self.group.close()


@njit(nogil=True, cache=True)
def reduce(team, rank, mates, meetings, inputs, outputs, start, stop):
    """Sum this rank's part and store it everywhere, between two meetings; return an error code."""
    error = meet(team, rank, mates, meetings - 1)
    for first in range(start, stop, CHUNK):
        end = min(first + CHUNK, stop)
        add(rank, inputs, outputs, first, end)
        store(rank, outputs, first, end)
    return first_error(error, meet(team, rank, mates, meetings))


@njit(nogil=True, cache=True)
def add(rank, inputs, outputs, start, stop):
    """Leave the sum of all rows' elements [start, stop) in this rank's row of the outputs."""
    total = outputs[rank, start:stop]
    total[:] = inputs[rank, start:stop]
    for row in range(len(inputs)):
        if row != rank:
            other = inputs[row, start:stop]
            for i in range(total.size):
                total[i] += other[i]


@njit(nogil=True, cache=True)
def store(rank, outputs, start, stop):
    """Copy this rank's elements [start, stop) into all other rows."""
    for row in range(len(outputs)):
        if row != rank:
            outputs[row, start:stop] = outputs[rank, start:stop]
