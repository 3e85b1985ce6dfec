"""Stencil, MPI two-sided: halos by persistent requests, first north and south, then west and east."""

import numpy as np
from mpi4py import MPI

from prk.stencil import serial


class Kernel(serial.Kernel):
    """This rank's tile, its ghost frame filled by messages."""

    def setup(self) -> None:
        super().setup()
        self.axes = [[Halo(self.comm, self.inp, side) for side in axis] for axis in self.sides()]

    def exchange(self) -> None:
        for halos in self.axes:
            for halo in halos:
                halo.receive.Start()
            for halo in halos:
                halo.outgoing[:] = halo.edge
                halo.send.Start()
            for halo in halos:
                halo.receive.Wait()
                halo.ghost[:] = halo.incoming
            for halo in halos:
                halo.send.Wait()

    def close(self) -> None:
        for halo in (h for halos in self.axes for h in halos):
            halo.receive.Free()
            halo.send.Free()


class Halo:
    """One side of the ghost frame: what goes out, what comes in, and where both live in the array."""

    def __init__(self, comm: MPI.Comm, inp: np.ndarray, side: serial.Side):
        rank = MPI.PROC_NULL if side.neighbour is None else side.neighbour
        self.edge, self.ghost = inp[side.edge], inp[side.ghost]
        self.outgoing, self.incoming = self.edge.copy(), self.ghost.copy()
        self.receive = comm.Recv_init(self.incoming, rank)
        self.send = comm.Send_init(self.outgoing, rank)
