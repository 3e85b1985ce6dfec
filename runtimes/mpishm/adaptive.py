"""Adaptive, MPI shared memory: the owner stores a tile into the worker's place in the window, flags tell."""

import numpy as np
from numba import njit

from prk.adaptive import serial

from .._mpi.group import Group
from .._threads import team as threads
from .._threads.team import DONE, publish, wait

# What stands beside a worker's tile: its bytes, those of one number, and the seconds that the worker answers.
BYTES, WIDTH, SECONDS, BESIDE = 0, 1, 2, 16


class Kernel(serial.Kernel):
    """The owner and its scheduler on rank 0, a worker on each of the others; all see the vector."""

    def connect(self) -> None:
        self.group = group = Group(self.comm, None)
        n = self.vector.size
        self.vector = group.share_one([n])
        self.places, self.parts = group.share([self.landing.size]), group.share([n])
        self.beside = group.share_one([group.size, BESIDE])
        self.landing, self.parts[group.rank][:] = self.places[group.rank], 0.0
        self.given, self.ready = group.flags(), group.flags()
        # How many tiles each worker has been given; a worker, how many it has taken.
        self.turns = [0] * group.size
        if self.owner:
            self.beside[:] = 0.0
        else:
            self.result = self.parts[group.rank]
        self.landing[:] = 0.0
        group.comm.Barrier()

    def give(self, to: int, parcel: np.ndarray) -> float:
        if not to:
            return super().give(to, parcel)
        place = self.places[to].view(parcel.dtype)
        error, seconds = hand_over(
            self.ready, self.given, self.beside[to], to, self.turns[to], place, parcel, parcel.itemsize
        )
        threads.check(error)
        self.turns[to] += 1
        return float(seconds)

    def take(self) -> np.ndarray:
        self.answer()
        rank = self.comm.rank
        self.turns[rank] += 1
        threads.check(wait(self.given, DONE + rank, self.turns[rank]))
        size, width = int(self.beside[rank, BYTES]), int(self.beside[rank, WIDTH])
        return self.landed(size // width, f"f{width}")

    def answer(self) -> None:
        """Let the owner know that the tile before is done, and what it took."""
        rank = self.comm.rank
        self.beside[rank, SECONDS] = self.seconds
        publish(self.ready, DONE + rank, self.turns[rank])

    def combine(self) -> None:
        if not self.owner:
            self.answer()
        for worker in range(1, self.comm.size) if self.owner else ():
            threads.check(wait(self.ready, DONE + worker, self.turns[worker]))
            self.result += self.parts[worker]
            self.parts[worker][:] = 0.0

    def close(self) -> None:
        self.group.close()


@njit(nogil=True, cache=True)
def hand_over(ready, given, beside, to, turns, place, parcel, width):
    """Store a parcel into a worker's place as soon as that is free; return an error code and the seconds."""
    error = wait(ready, DONE + to, turns)
    seconds = beside[SECONDS]
    place[: parcel.size] = parcel
    beside[BYTES], beside[WIDTH] = parcel.size * width, width
    publish(given, DONE + to, turns + 1)
    return error, seconds
