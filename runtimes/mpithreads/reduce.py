"""Reduce, MPI and threads: all threads let a rank's vector grow, the first one calls the library."""

from numba import njit

from prk.reduce import loops, serial

from .._threads import team as threads
from .._threads.team import DONE, OPENED, check, publish, wait, wait_for_all
from ..mpi1.reduce import library


class Kernel(serial.Kernel):
    """This rank's vectors, a part a thread."""

    def setup(self) -> None:
        self.team = threads.team(self.options)
        self.parts = self.team.parts(self.problem.n)
        super().setup()

    def start(self) -> None:
        self.team.run(self.touch)

    def touch(self, thread: int) -> None:
        """Set a thread's part of all to 1, which also places its pages near it."""
        part = slice(*self.parts[thread : thread + 2])
        self.v[part], self.ones[part] = 1.0, 1.0

    def repeat(self, count: int) -> None:
        self.regions = 0
        with self.team.beside(grow, *self.work(0, count)):
            super().repeat(count)

    def step(self) -> None:
        self.regions += 1
        publish(self.team.shared, OPENED, self.regions)
        check(grow(0, *self.work(self.regions - 1, self.regions)))
        check(wait_for_all(self.team.shared, self.regions))
        library(self.comm, self.v)

    def work(self, first: int, last: int) -> tuple:
        """Return the arguments of `grow` for regions `first` to `last` - 1."""
        return self.team.shared, self.parts, self.v, self.ones, first, last

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def grow(thread, team, parts, v, ones, first, last):
    """Let this thread's part of the vector grow in each region as it opens; return an error code."""
    start, stop = parts[thread], parts[thread + 1]
    for region in range(first, last):
        if wait(team, OPENED, region + 1):
            return -1
        loops.add(v[start:stop], ones[start:stop])
        publish(team, DONE + thread, region + 1)
    return 0
