"""Synch_global, MPI shared memory: the digits stand in a string of the group, the new ones in another one.

So there is nothing to gather in a group but its ranks, once a repetition. Of several groups, the first ranks
gather what the others' groups have.
"""

from typing import Any

import numpy as np
from mpi4py import MPI
from numba import njit

from prk import kernel
from prk.check import Box, Fields
from prk.synch_global import loops
from prk.synch_global.problem import SynchGlobal

from .._compiled import first_error
from .._mpi.group import Group, meet
from .._threads import team as threads


class Kernel(kernel.Kernel[SynchGlobal]):
    """The group's two strings, this rank's digits in them, and in which of them they are now."""

    def setup(self) -> None:
        rank, size, n = self.comm.rank, self.comm.size, self.problem.n
        self.group = group = Group(self.comm, self.options["group-size"])
        self.strings = group.share_one((2, n), np.uint8)
        self.own = slice(rank * n // size, (rank + 1) * n // size)
        self.strings[0, self.own] = self.problem.start(size)
        mates = [mate for mate in range(group.size) if mate != group.rank]
        self.team = group.flags(), group.rank, np.array(mates, np.int64)
        self.turn = self.meetings = 0
        # The ranks with the same place in all groups.
        self.peers: Any = self.comm.Split(group.rank, self.comm.rank)

    def repeat(self, count: int) -> None:
        members = self.comm.rank, self.comm.size
        each = count if self.group.count == 1 else 1
        for _ in range(0, count, each):
            if self.group.count > 1:
                self.gather()
            code = synchronise(*self.team, self.meetings, self.strings, self.turn, *members, each)
            threads.check(code)
            self.meetings += each
            self.turn = (self.turn + each) % 2

    def gather(self) -> None:
        """Exchange the digits of whole groups, when all of this one's are there."""
        self.meetings += 1
        threads.check(meet(*self.team, self.meetings))
        if self.group.rank == 0:
            self.peers.Allgather(MPI.IN_PLACE, self.strings[self.turn])

    def fields(self) -> Fields:
        rank = slice(self.comm.rank, self.comm.rank + 1)
        return {
            "members": Box((rank,), np.array([self.comm.size])),
            "digits": Box((self.own,), self.strings[self.turn, self.own]),
        }

    def close(self) -> None:
        self.peers.Free()
        self.group.close()


@njit(nogil=True, cache=True)
def synchronise(team, rank, mates, meetings, strings, turn, member, members, count):
    """Run `count` repetitions: wait for the group, and take this member's digits; return an error code."""
    each, error = strings.shape[1] // members, 0
    for k in range(count):
        error = first_error(error, meet(team, rank, mates, meetings + k + 1))
        source, target = strings[(turn + k) % 2], strings[(turn + k + 1) % 2]
        loops.scramble(source, member, members, target[member * each : (member + 1) * each])
    return error
