"""Reduce, MPI shared memory: each rank sums its share of all vectors of the group, in place in the root's.

The vectors lie in one window of the group, a row a rank. While a segment of them grows, the one before is
summed, so that it is still in cache. Other groups than the root's give their sums on by messages.
"""

from typing import Any

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.reduce import loops, schedules, serial

from .._mpi.group import Group, meet
from .._threads import team as threads

NOTHING = slice(0, 0)


class Kernel(serial.Kernel):
    """This rank's vectors, and its share of the group's sums."""

    def setup(self) -> None:
        self.group = group = Group(self.comm, self.options["group-size"])
        super().setup()
        n, mates = self.problem.n, [rank for rank in range(group.size) if rank != group.rank]
        grown, summed = schedules.segments(n), schedules.shares(n, group.size, group.rank)
        self.stages = list(zip([*grown, NOTHING], [NOTHING, *summed], strict=True))
        self.team = group.flags(), group.rank, np.array(mates, np.int64)
        self.meetings = 0
        self.sums = np.zeros(max(s.stop - s.start for s in summed) if group.index else 0)
        # The ranks that have this share in all groups.
        self.peers: Any = self.comm.Split(group.rank, self.comm.rank)
        self.meet()

    def allocate(self, length: int) -> np.ndarray:
        self.rows = self.group.share_one((self.group.size, length))
        return self.rows[self.group.rank]

    def step(self) -> None:
        for grown, summed in self.stages:
            self.meetings += 1
            total = self.sums if self.group.index else self.rows[0, summed]
            ends = grown.start, grown.stop, summed.start, summed.stop
            code = stage(*self.team, self.meetings, self.rows, self.ones, total, self.group.index == 0, *ends)
            threads.check(code)
            if self.group.count > 1 and summed.stop > summed.start:
                self.give(total[: summed.stop - summed.start])

    def give(self, total: np.ndarray) -> None:
        """Add the sums of the other groups to those of the root's."""
        if self.group.index == 0:
            self.peers.Reduce(MPI.IN_PLACE, total)
        else:
            self.peers.Reduce(total, None)

    def meet(self) -> None:
        """Wait until all ranks of the group are here, what they did before being seen."""
        self.meetings += 1
        threads.check(meet(*self.team, self.meetings))

    def repeat(self, count: int) -> None:
        super().repeat(count)
        # The root's vector is whole.
        self.meet()

    def close(self) -> None:
        self.peers.Free()
        self.group.close()


@njit(nogil=True, cache=True)
def stage(team, rank, mates, meetings, rows, ones, total, rooted, start, stop, first, last):
    """When all are here, let [start, stop) of this rank's row grow, and sum [first, last) of all rows.

    Where the root's row is the first one, it is the total as well. Return an error code.
    """
    error = meet(team, rank, mates, meetings)
    loops.add(rows[rank, start:stop], ones[start:stop])
    part = total[: last - first]
    if not rooted:
        part[:] = 0.0
    loops.add_rows(part, rows, 1 if rooted else 0, first, last)
    return error
