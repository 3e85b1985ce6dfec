"""AMR, OpenSHMEM: halos as Stencil's; what is interpolated is put where it is needed, and counted."""

import numpy as np

from prk.amr import serial
from prk.decomposition import displacement

from . import heap, stencil
from .compiled import GE
from .heap import APART
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's pieces of the grids; for each refinement a landing buffer and two counters."""

    piece = stencil.Kernel

    def setup(self) -> None:
        super().setup()
        self.shmem = symmetric(self.comm, heap.feeds(self.problem, self.comm.size))
        self.feeds = [Feed(self, number) for number in range(len(self.layout.feeds))]

    def collect(self, number: int) -> None:
        super().collect(number)
        self.feeds[number].exchange()

    def close(self) -> None:
        super().close()
        self.shmem.close()


class Feed:
    """What PEs put into each other's landing buffers for one refinement."""

    def __init__(self, kernel: Kernel, number: int):
        feed, rank = kernel.layout.feeds[number], kernel.comm.rank
        self.shmem, self.times = kernel.shmem, 0
        self.landing = self.shmem.zeros(feed.largest, float)
        # How many boxes have arrived here, and how many of this PE's have been taken up elsewhere.
        self.counters = self.shmem.zeros((2, APART), np.int64)
        self.arrived, self.taken = (line[:1] for line in self.counters)
        self.incoming = [(owner, kernel.lacking(number, box)) for owner, box in feed.incoming(rank)]
        self.outgoing = [
            (reader, kernel.having(box), displacement(feed, reader, rank, box))
            for reader, box in feed.outgoing(rank)
        ]

    def exchange(self) -> None:
        # A PE that has nothing of the refinement may be ahead: its last boxes must be out of the way.
        self.shmem.wait_until(self.taken, GE, self.times * len(self.outgoing))
        self.times += 1
        for reader, points, start in self.outgoing:
            self.shmem.put(self.landing[start : start + points.size], points.ravel(), reader)
            self.shmem.fence()
            self.shmem.atomic_inc(self.arrived, reader)
        self.shmem.wait_until(self.arrived, GE, self.times * len(self.incoming))
        start = 0
        for owner, points in self.incoming:
            points[:] = self.landing[start : start + points.size].reshape(points.shape)
            start += points.size
            self.shmem.atomic_inc(self.taken, owner)
