"""Sparse, MPI two-sided: the vector by an allgather in place, or only what rows need of it by messages."""

from mpi4py import MPI

from prk import memory
from prk.sparse import loops, serial

from .._mpi.largecount import message


class Needed:
    """Messages with the elements of the vector that another rank's rows need, packed."""

    def __init__(self, kernel: "Kernel"):
        comm, self.vector = kernel.comm, kernel.vector
        taken, given = kernel.needed()
        self.taken, self.given = (
            [(places, memory.empty(places.size), rank) for rank, places in found.items()]
            for found in (taken, given)
        )
        self.receives = [comm.Recv_init(message(into), rank) for _, into, rank in self.taken]
        self.sends = [comm.Send_init(message(out), rank) for _, out, rank in self.given]

    def exchange(self) -> None:
        MPI.Prequest.Startall(self.receives)
        for (places, out, _), send in zip(self.given, self.sends, strict=True):
            loops.pack(self.vector, places, out)
            send.Start()
        for (places, into, _), receive in zip(self.taken, self.receives, strict=True):
            receive.Wait()
            loops.unpack(into, places, self.vector)
        MPI.Request.Waitall(self.sends)

    def close(self) -> None:
        for request in (*self.receives, *self.sends):
            request.Free()


class Kernel(serial.Kernel):
    """This rank's rows and the whole vector."""

    def setup(self) -> None:
        super().setup()
        self.selected = Needed(self) if self.options["gather"] == "needed" else None

    def gather(self) -> None:
        if self.selected:
            self.selected.exchange()
        elif self.comm.size > 1:
            # The count is that of a rank's slice.
            self.comm.Allgather(MPI.IN_PLACE, [self.vector, *message(self.own)[1:]])

    def close(self) -> None:
        if self.selected:
            self.selected.close()
