"""DGEMM, MPI and threads: all threads multiply a panel together, the first one communicates as mpi1 does."""

import numpy as np

from prk import kernel

from ..mpi1 import dgemm as mpi1
from ..numba import dgemm as threaded


class Kernel(threaded.Kernel, mpi1.Kernel):
    """This rank's blocks, the rows of C in a part a thread."""

    def repeat(self, count: int) -> None:
        kernel.Kernel.repeat(self, count)

    def multiply(self, a: np.ndarray, b: np.ndarray) -> None:
        self.team.run(self.share, a, b)
