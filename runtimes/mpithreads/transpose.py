"""Transpose, MPI and threads: all threads pack and unpack a block together, the first one communicates."""

import numpy as np
from numba import njit

from prk import kernel
from prk.transpose import loops

from .._threads.team import DONE, OPENED, check, publish, wait, wait_for_all
from ..mpi1 import transpose as mpi1
from ..numba import transpose as threaded

TRANSPOSE, PACK, UNPACK = range(3)


class Kernel(threaded.Kernel, mpi1.Kernel):
    """This rank's column blocks: the messages and their order are mpi1's, the threads divide the loops."""

    def setup(self) -> None:
        super().setup()
        # What the region that the first thread opens is for: the task, a place in A or B, one in the buffer.
        self.task = np.zeros(3, np.int64)

    def repeat(self, count: int) -> None:
        self.regions = 0
        # A repetition transposes its diagonal block, and packs and unpacks one for each other rank.
        with self.team.beside(serve, *self.work(0, count * (2 * self.comm.size - 1))):
            kernel.Kernel.repeat(self, count)

    def transpose_diagonal(self) -> None:
        self.together(TRANSPOSE, self.columns[0], 0)

    def pack(self, to: int, row: int) -> None:
        self.together(PACK, to * self.width, row)

    def unpack(self, source: int, row: int) -> None:
        self.together(UNPACK, source * self.width, row)

    def together(self, *task: int) -> None:
        """Open a region for a task, take part in it, and wait for the others."""
        self.task[:] = task
        self.regions += 1
        publish(self.team.shared, OPENED, self.regions)
        check(serve(0, *self.work(self.regions - 1, self.regions)))
        check(wait_for_all(self.team.shared, self.regions))

    def work(self, first: int, last: int) -> tuple:
        """Return the arguments of `serve` for regions `first` to `last` - 1."""
        blocks = self.A, self.B, self.outgoing, self.incoming
        return self.team.shared, self.parts, self.task, *blocks, self.tile, first, last


@njit(nogil=True, cache=True)
def serve(thread, team, parts, task, A, B, outgoing, incoming, tile, first, last):
    """Do this thread's part of the task of each region as it opens; return an error code."""
    start, width = parts[thread], parts[thread + 1] - parts[thread]
    for region in range(first, last):
        if wait(team, OPENED, region + 1):
            return -1
        what, there, row = task
        if what == TRANSPOSE:
            threaded.diagonal(thread, parts, A, B, there, tile, 1)
        elif what == PACK:
            loops.pack(A, start, there, outgoing, row, start, width, A.shape[0], tile)
        else:
            loops.unpack(incoming, row + start, 0, B, start, there, width, A.shape[0])
        publish(team, DONE + thread, region + 1)
    return 0
