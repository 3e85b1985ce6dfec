"""Transpose, MPI two-sided: a block a phase, received from one rank and sent to another."""

from mpi4py import MPI

from prk import decomposition, memory
from prk.transpose import loops, serial

from .._mpi.largecount import message


class Kernel(serial.Kernel):
    """This rank's column blocks, with one block to send from and one to receive into."""

    def setup(self) -> None:
        super().setup()
        blocks = self.comm.size if self.options["exchange"] == "alltoall" else 1
        shape = blocks * self.width, self.width
        self.outgoing, self.incoming = memory.empty(shape), memory.empty(shape)
        self.outgoing[:], self.incoming[:] = 0.0, 0.0
        receive, send = message(self.incoming), message(self.outgoing)
        self.phases = [
            (source, to, self.comm.Recv_init(receive, source), self.comm.Send_init(send, to))
            for source, to in decomposition.pairwise(self.comm.rank, self.comm.size)
        ]

    def step(self) -> None:
        self.transpose_diagonal()
        if self.options["exchange"] == "alltoall":
            self.exchange_at_once()
        else:
            for source, to, receive, send in self.phases:
                receive.Start()
                self.pack(to, 0)
                send.Start()
                MPI.Request.Waitall([receive, send])
                self.unpack(source, 0)

    def exchange_at_once(self) -> None:
        """Exchange all blocks by one collective; the diagonal's travel along unused."""
        others = [r for r in range(self.comm.size) if r != self.comm.rank]
        for to in others:
            self.pack(to, to * self.width)
        # The count is that of a rank's block.
        block = message(self.outgoing[: self.width])[1:]
        self.comm.Alltoall([self.outgoing, *block], [self.incoming, *block])
        for source in others:
            self.unpack(source, source * self.width)

    def pack(self, to: int, row: int) -> None:
        """Transpose the block of A for rank `to` into the send buffer at `row`."""
        loops.pack(self.A, 0, to * self.width, self.outgoing, row, 0, self.width, self.width, self.tile)

    def unpack(self, source: int, row: int) -> None:
        """Add the block from rank `source`, at `row` of the receive buffer, to B."""
        loops.unpack(self.incoming, row, 0, self.B, 0, source * self.width, self.width, self.width)

    def close(self) -> None:
        for _, _, *requests in self.phases:
            for request in requests:
                request.Free()
