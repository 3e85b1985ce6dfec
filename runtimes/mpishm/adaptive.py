"""Adaptive, MPI shared memory: the owner stores a tile into the worker's place in the window, flags tell."""

import numpy as np
from numba import carray, njit

from prk.adaptive import serial
from prk.adaptive.owner import multiply, now, prepare, sent

from .._compiled import first_error, pointer
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
        places, self.parts = group.share([self.landing.size], np.uint8), group.share([n])
        self.beside = group.share_one([group.size, BESIDE])
        self.places = np.array([place.ctypes.data for place in places])
        self.landing, self.parts[group.rank][:] = places[group.rank], 0.0
        self.given, self.ready = group.flags(), group.flags()
        # How many tiles each worker has been given; a worker, how many it has taken.
        self.turns = np.zeros(group.size, np.int64)
        if self.owner:
            self.beside[:] = 0.0
        else:
            self.result = self.parts[group.rank]
        self.landing[:] = 0
        group.comm.Barrier()

    def send_tiles(self) -> None:
        if self.workers:
            about = self.ready, self.given, self.beside, self.turns, self.places
            threads.check(send_tiles(self.state, *about))
        else:
            super().send_tiles()

    def take_tiles(self) -> None:
        about = self.vector, self.result, self.problem.tile
        where = self.beside[self.comm.rank], self.comm.rank, self.turns, self.landing
        threads.check(take_tiles(self.ready, self.given, *where, self.order, self.clock, *about))

    def combine(self) -> None:
        for worker in range(1, self.comm.size) if self.owner else ():
            threads.check(wait(self.ready, DONE + worker, self.turns[worker]))
            self.result += self.parts[worker]
            self.parts[worker][:] = 0.0

    def close(self) -> None:
        self.group.close()


@njit(nogil=True, cache=True)
def send_tiles(owner, ready, given, beside, turns, places):
    """Store each tile into the place of a worker in turn as soon as that is free; return an error code."""
    error, workers = 0, owner.scheduler.workers
    for turn, number in enumerate(owner.order):
        to = 1 + turn % workers
        parcel, width, chosen = prepare(owner, number)
        begin = now(owner.clock)
        error = first_error(error, wait(ready, DONE + to, turns[to]))
        seconds = beside[to, SECONDS]
        store(places, to, parcel)
        beside[to, BYTES], beside[to, WIDTH] = parcel.size, width
        turns[to] += 1
        publish(given, DONE + to, turns[to])
        sent(owner, parcel.size, chosen, to, begin, seconds)
    return error


@njit(nogil=True, cache=True)
def store(places, to, parcel):
    """Copy a parcel into a worker's place."""
    place = carray(pointer(places[to]), parcel.size, np.uint8)
    place[:] = parcel


@njit(nogil=True, cache=True)
def take_tiles(ready, given, beside, rank, turns, landing, order, clock, vector, result, tile):
    """Multiply each tile that arrives, and tell when it is done and what it took; return an error code."""
    error = 0
    for number in order:
        turns[rank] += 1
        error = first_error(error, wait(given, DONE + rank, turns[rank]))
        if error:
            break
        size, width = int(beside[BYTES]), int(beside[WIDTH])
        beside[SECONDS] = multiply(clock, number, landing[:size], width, vector, result, tile)
        publish(ready, DONE + rank, turns[rank])
    return error
