"""Sparse, MPI and threads: all threads update and multiply, the first one communicates as mpi1 does."""

from prk import kernel

from ..mpi1 import sparse as mpi1
from ..numba import sparse as threaded


class Kernel(threaded.Kernel, mpi1.Kernel):
    """This rank's rows, and the lines of its slice of the vector, in a part a thread."""

    def repeat(self, count: int) -> None:
        kernel.Kernel.repeat(self, count)

    def update(self) -> None:
        _, lines, _ = self.work()
        self.team.run(threaded.update, lines)

    def multiply(self) -> None:
        _, _, rows = self.work()
        self.team.run(threaded.multiply, rows)
