"""Reduce, Coarray Fortran: the collective co_sum, whose result the first image has."""

from prk import memory
from prk.reduce import loops, serial

from . import library

ROOT = 0


class Kernel(serial.Kernel):
    """This image's vectors. Others than the root give a copy: co_sum leaves it undefined."""

    def setup(self) -> None:
        super().setup()
        self.fortran = library.load(self.comm)
        self.given = self.v if self.comm.rank == ROOT else memory.empty(self.problem.n)

    def step(self) -> None:
        loops.add(self.v, self.ones)
        if self.given is not self.v:
            self.given[:] = self.v
        self.fortran.co_sum(self.given, ROOT)
