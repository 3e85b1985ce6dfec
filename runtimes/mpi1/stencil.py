"""Stencil, MPI two-sided: halos by persistent requests, first north and south, then west and east."""

import numpy as np
from mpi4py import MPI

from prk.stencil import serial


class Kernel(serial.Kernel):
    """This rank's tile, its ghost frame filled by messages."""

    def setup(self) -> None:
        super().setup()
        r = self.problem.radius
        top, bottom, left, right = self.own
        across, along = slice(left, right), slice(top - r, bottom + r)
        # West and east carry the rows that north and south just filled: a compact stencil reads corners.
        self.axes = [
            [
                self.halo(self.tile.north, (slice(top, top + r), across), (slice(top - r, top), across)),
                self.halo(
                    self.tile.south, (slice(bottom - r, bottom), across), (slice(bottom, bottom + r), across)
                ),
            ],
            [
                self.halo(self.tile.west, (along, slice(left, left + r)), (along, slice(left - r, left))),
                self.halo(self.tile.east, (along, slice(right - r, right)), (along, slice(right, right + r))),
            ],
        ]

    def halo(self, neighbour: int | None, edge: tuple[slice, slice], ghost: tuple[slice, slice]) -> "Halo":
        return Halo(self.comm, neighbour, self.inp[edge], self.inp[ghost])

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

    def __init__(self, comm: MPI.Comm, neighbour: int | None, edge: np.ndarray, ghost: np.ndarray):
        rank = MPI.PROC_NULL if neighbour is None else neighbour
        self.edge, self.ghost = edge, ghost
        self.outgoing, self.incoming = edge.copy(), ghost.copy()
        self.receive = comm.Recv_init(self.incoming, rank)
        self.send = comm.Send_init(self.outgoing, rank)
