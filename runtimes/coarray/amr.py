"""AMR, Coarray Fortran: halos as Stencil's; what is interpolated is put where events say that it may be."""

from typing import NamedTuple

from prk.amr import serial
from prk.amr.grid import Grid
from prk.decomposition import displacement
from prk.stencil import serial as whole

from . import sizes, stencil
from .images import Coarray


class Team(NamedTuple):
    """The images, with the coarray in which all grids are."""

    rank: int
    size: int
    images: Coarray


class Kernel(serial.Kernel):
    """This image's pieces of the grids; for each refinement a landing buffer and two events."""

    def setup(self) -> None:
        size = self.comm.size
        events = sizes.EVENTS * len(self.problem.grids(size)) + 2 * len(self.problem.layout(size).feeds)
        self.images = Coarray(self.comm, sizes.amr(self.problem, size), events)
        super().setup()
        self.feeds = [Feed(self, number) for number in range(len(self.layout.feeds))]

    def make(self, grid: Grid, number: int) -> whole.Kernel:
        return stencil.Kernel(grid, Team(self.comm.rank, self.comm.size, self.images), self.options)

    def collect(self, number: int) -> None:
        super().collect(number)
        self.feeds[number].exchange()


class Feed:
    """What images put into each other's landing buffers for one refinement."""

    def __init__(self, kernel: Kernel, number: int):
        feed, rank = kernel.layout.feeds[number], kernel.comm.rank
        self.images, self.begun = kernel.images, False
        self.landing = self.images.array(feed.largest)
        # Boxes have arrived here, and this image's have been taken up elsewhere.
        self.arrived, self.taken = self.images.events(2)
        self.incoming = [(owner, kernel.lacking(number, box)) for owner, box in feed.incoming(rank)]
        self.outgoing = [
            (reader, kernel.having(box), displacement(feed, reader, rank, box))
            for reader, box in feed.outgoing(rank)
        ]

    def exchange(self) -> None:
        # An image that has nothing of the refinement may be ahead: its last boxes must be out of the way.
        if self.begun:
            self.images.wait(self.taken, len(self.outgoing))
        self.begun = True
        for reader, points, start in self.outgoing:
            self.images.put(self.landing[start : start + points.size], points.ravel(), reader)
            self.images.post(self.arrived, reader)
        self.images.wait(self.arrived, len(self.incoming))
        start = 0
        for owner, points in self.incoming:
            points[:] = self.landing[start : start + points.size].reshape(points.shape)
            start += points.size
            self.images.post(self.taken, owner)
