"""Adaptive, MPI two-sided: a tile goes to a worker, which answers with what the tile before took it."""

import numpy as np
from mpi4py import MPI

from prk.adaptive import serial


class Kernel(serial.Kernel):
    """The owner and its scheduler on rank 0, a worker on each of the others."""

    def connect(self) -> None:
        self.answer, self.status = np.zeros(1), MPI.Status()

    def spread(self) -> None:
        if self.workers:
            self.comm.Bcast(self.vector)

    def give(self, to: int, parcel: np.ndarray) -> float:
        if not to:
            return super().give(to, parcel)
        # The tag tells the bytes of a number; the length, whether the tile is whole.
        data = [parcel, parcel.nbytes, MPI.BYTE]
        self.comm.Sendrecv(data, to, parcel.itemsize, self.answer, to)
        return float(self.answer[0])

    def take(self) -> np.ndarray:
        self.answer[0] = self.seconds
        self.comm.Recv([self.landing, MPI.BYTE], 0, MPI.ANY_TAG, self.status)
        self.comm.Send(self.answer, 0)
        width = self.status.Get_tag()
        return self.landed(self.status.Get_count(MPI.BYTE) // width, f"f{width}")

    def combine(self) -> None:
        if not self.workers:
            return
        if self.owner:
            # What it had before is its own share.
            self.comm.Reduce(MPI.IN_PLACE, self.result)
        else:
            self.comm.Reduce(self.result, None)
            self.result[:] = 0.0
