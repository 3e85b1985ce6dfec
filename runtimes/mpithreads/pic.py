"""PIC, MPI and threads: all threads push a rank's particles, the first one communicates as mpi1 does."""

import numpy as np
from numba import njit

from prk.pic import loops

from .._threads import team as threads
from ..mpi1 import pic as mpi1


class Kernel(mpi1.Kernel):
    """This rank's tile, whose particles the threads share equally, wherever they are."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()

    def push(self) -> int:
        tile, one = self.tile, self.tile.particles
        parts, counts = self.team.parts(one.held), np.zeros(self.team.size, np.int64)
        far = np.zeros((self.team.size, 2))
        where = *tile.box[0], *tile.box[1], float(self.problem.n)
        self.team.run(push, parts, counts, far, one.rows, tile.charges, where, one.found)
        leaving = 0
        for first, count in zip(parts, counts, strict=False):
            # One after the other, as each thread noted them from its first particle on.
            one.found[leaving : leaving + count] = one.found[first : first + count].copy()
            leaving += int(count)
        tile.far = far.sum(axis=0)
        return leaving

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def push(thread, parts, counts, far, particles, charges, where, found):
    """Push this thread's particles; note how many have left the tile, and which."""
    first, last = parts[thread], parts[thread + 1]
    counts[thread] = loops.push(particles, first, last, charges, *where, found[first:last], far[thread])
