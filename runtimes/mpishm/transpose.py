"""Transpose, MPI shared memory: loads inside a group of ranks, few and large messages between groups."""

import numpy as np

from prk import decomposition
from prk.transpose import loops, serial

from .._mpi.group import Group, Meeting
from .._mpi.largecount import message
from .sent import communicating


class Kernel(serial.Kernel):
    """This rank's column blocks, A in the group's window, with the buffers of the group's messages."""

    def setup(self) -> None:
        self.group = group = Group(self.comm, self.options["group-size"])
        super().setup()
        mates = [rank for rank in range(group.size) if rank != group.rank]
        self.meet = Meeting(group, mates, self.options["local-sync"])
        # A group's block has as many rows and columns as its ranks have columns.
        self.side = group.size * self.width
        self.outgoing = self.incoming = np.empty((0, 0))
        if group.count > 1:
            self.outgoing, self.incoming = (group.share_one((self.side, self.side)) for _ in range(2))
        self.phases = [
            (source, to, *self.requests(source, to))
            for source, to in decomposition.pairwise(group.index, group.count)
        ]
        self.meet()

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        self.blocks = self.group.share(shape)
        return self.blocks[self.group.rank], super().allocate(shape)[1]

    def requests(self, source: int, to: int) -> tuple:
        """Return the receive and the send of a phase, of this rank's rows if it is a communicator."""
        group, count = self.group, self.options["communicators"]
        communicators = communicating(group.size, count)
        if group.rank not in communicators:
            return ()
        rows = slice(*decomposition.block(self.side, count, communicators.index(group.rank)))
        return (
            self.comm.Recv_init(message(self.incoming[rows]), source * group.size + group.rank),
            self.comm.Send_init(message(self.outgoing[rows]), to * group.size + group.rank),
        )

    def step(self) -> None:
        for turn in range(self.group.size):
            self.transpose_from((self.group.rank + turn) % self.group.size)
        for source, to, *requests in self.phases:
            self.pack(to)
            # All have packed, and have unpacked the phase before.
            self.meet()
            for request in requests:
                request.Start()
            for request in requests:
                request.Wait()
            # All communicators have received.
            self.meet()
            self.unpack(source)

    def transpose_from(self, mate: int) -> None:
        """Transpose the block that another rank of the group has for this one, which nobody else touches."""
        row, column = self.columns[0], (self.group.first + mate) * self.width
        loops.transpose(self.blocks[mate], 0, row, self.B, 0, column, self.width, self.width, self.tile)

    def pack(self, to: int) -> None:
        """Transpose this rank's part of the block for the group `to` into the group's buffer."""
        column = self.group.rank * self.width
        loops.pack(self.A, 0, to * self.side, self.outgoing, 0, column, self.width, self.side, self.tile)

    def unpack(self, source: int) -> None:
        """Add this rank's part of the block from the group `source` to B."""
        row = self.group.rank * self.width
        loops.unpack(self.incoming, row, 0, self.B, 0, source * self.side, self.width, self.side)

    def repeat(self, count: int) -> None:
        super().repeat(count)
        # The other ranks of the group have done their part of this one's A.
        self.meet()

    def close(self) -> None:
        for _, _, *requests in self.phases:
            for request in requests:
                request.Free()
        self.meet.close()
        self.group.close()
