"""AMR, MPI one-sided: halos as Stencil's; what is interpolated is put where it is needed."""

from functools import partial

from prk.amr import serial
from prk.amr.grid import Grid

from . import stencil
from .stencil import Needs, Puts


class Piece(stencil.Kernel):
    """This rank's piece of a grid; only ranks that have one, and neighbours, wait for each other."""

    problem: Grid

    def layout(self) -> Needs:
        return self.problem.mesh


class Kernel(serial.Kernel):
    """This rank's pieces of the grids."""

    piece = Piece

    def setup(self) -> None:
        super().setup()
        self.feeds = [
            Puts(self.comm, feed, self.having, partial(self.lacking, n), self.options)
            for n, feed in enumerate(self.layout.feeds)
        ]

    def collect(self, number: int) -> None:
        super().collect(number)
        self.feeds[number].exchange()

    def close(self) -> None:
        super().close()
        for feed in self.feeds:
            feed.free()
