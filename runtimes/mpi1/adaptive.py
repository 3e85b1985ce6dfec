"""Adaptive, MPI two-sided: a tile goes to a worker, which answers with what the tile before took it."""

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.adaptive import serial
from prk.adaptive.owner import multiply, now, prepare, sent

from .._compiled import first_error
from .._mpi.calls import parcels, recv_parcel, send_parcel, succeed


class Kernel(serial.Kernel):
    """The owner and its scheduler on rank 0, a worker on each of the others."""

    def connect(self) -> None:
        # Seconds.
        self.mpi, self.answer = parcels(self.comm), np.zeros(1)

    def spread(self) -> None:
        if self.workers:
            self.comm.Bcast(self.vector)

    def send_tiles(self) -> None:
        if self.workers:
            succeed(send_tiles(self.mpi, self.state, self.answer))
        else:
            super().send_tiles()

    def take_tiles(self) -> None:
        about = self.vector, self.result, self.problem.tile
        succeed(take_tiles(self.mpi, self.order, self.landing, self.answer, self.clock, *about))

    def combine(self) -> None:
        if not self.workers:
            return
        if self.owner:
            # What it had before is its own share.
            self.comm.Reduce(MPI.IN_PLACE, self.result)
        else:
            self.comm.Reduce(self.result, None)
            self.result[:] = 0.0


@njit(nogil=True, cache=True)
def send_tiles(mpi, owner, answer):
    """Send each tile to a worker in turn; return MPI's error code."""
    code, workers = 0, owner.scheduler.workers
    for turn, number in enumerate(owner.order):
        to = 1 + turn % workers
        parcel, width, chosen = prepare(owner, number)
        begin = now(owner.clock)
        # The tag tells the bytes of a number; the length, whether the tile is whole.
        code = first_error(code, send_parcel(mpi, parcel, to, width))
        code = first_error(code, recv_parcel(mpi, answer, to)[0])
        sent(owner, parcel.size, chosen, to, begin, answer[0])
    return code


@njit(nogil=True, cache=True)
def take_tiles(mpi, order, landing, answer, clock, vector, result, tile):
    """Multiply each tile that arrives; return MPI's error code."""
    code = 0
    for number in order:
        told, size, width = recv_parcel(mpi, landing, 0)
        code = first_error(code, told)
        code = first_error(code, send_parcel(mpi, answer, 0, 0))
        answer[0] = multiply(clock, number, landing[:size], width, vector, result, tile)
    return code
