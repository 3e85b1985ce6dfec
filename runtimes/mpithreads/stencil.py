"""Stencil, MPI and threads: the first thread exchanges the halos, then all sweep their bands of the tile."""

from .._threads.team import OPENED, check, publish, wait_for_all
from ..mpi1 import stencil as mpi1
from ..numba import stencil as threaded


class Kernel(threaded.Kernel, mpi1.Kernel):
    """This rank's tile: its ghost frame is mpi1's, the bands inside are the threads'."""

    def repeat(self, count: int) -> None:
        team = self.team.shared
        with self.team.beside(self.band, *self.work(0, count)):
            for k in range(count):
                self.exchange()
                publish(team, OPENED, k + 1)
                check(self.band(0, *self.work(k, k + 1)))
                # The halos are sent from rows of other threads' bands.
                check(wait_for_all(team, 2 * k + 2))
