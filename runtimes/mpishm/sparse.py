"""Sparse, MPI shared memory: a group shares one vector, groups exchange slices, a rank with its peers."""

from typing import Any

import numpy as np
from mpi4py import MPI

from prk.sparse import serial

from .._mpi.group import Group, Meeting
from .._mpi.largecount import message


class Kernel(serial.Kernel):
    """This rank's rows; the whole vector in the group's window."""

    def setup(self) -> None:
        self.group = group = Group(self.comm, self.options["group-size"])
        super().setup()
        mates = [rank for rank in range(group.size) if rank != group.rank]
        self.meet = Meeting(group, mates, self.options["local-sync"])
        # The ranks in this one's place in all groups; their slices are as far apart as a group's are long.
        self.peers: Any = self.comm.Split(group.rank, self.comm.rank)
        _, count, kind = message(self.own)
        together = kind.Create_contiguous(count)
        self.slice = together.Create_resized(0, group.size * self.own.nbytes).Commit()
        together.Free()
        self.meet()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        return self.group.share_one(shape)

    def start(self) -> None:
        self.fill(0, self.rows)
        self.own[:], self.result[:] = 0.0, 0.0

    def gather(self) -> None:
        if self.group.count > 1:
            first = self.group.rank * self.own.size
            self.peers.Allgather(MPI.IN_PLACE, [self.vector[first:], 1, self.slice])
        # All mates have updated their slices, and got those of their peers.
        self.meet()

    def step(self) -> None:
        super().step()
        # All mates have used the vector.
        self.meet()

    def close(self) -> None:
        self.slice.Free()
        self.peers.Free()
        self.meet.close()
        self.group.close()
