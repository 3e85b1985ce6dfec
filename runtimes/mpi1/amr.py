"""AMR, MPI two-sided: halos as Stencil's, what is interpolated in a message from each rank that has some."""

from prk.amr import serial

from .._mpi.points import Exchange
from . import stencil


class Kernel(serial.Kernel):
    """This rank's pieces of the grids."""

    piece = stencil.Kernel

    def setup(self) -> None:
        super().setup()
        rank = self.comm.rank
        self.feeds = [
            Exchange(
                self.comm,
                [(owner, self.lacking(number, box)) for owner, box in feed.incoming(rank)],
                [(reader, self.having(box)) for reader, box in feed.outgoing(rank)],
            )
            for number, feed in enumerate(self.layout.feeds)
        ]

    def collect(self, number: int) -> None:
        super().collect(number)
        self.feeds[number]()

    def close(self) -> None:
        super().close()
        for feed in self.feeds:
            feed.free()
