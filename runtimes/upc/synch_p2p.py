"""Synch_p2p, UPC's model: a thread pulls each line's value, or is given it with a post of its semaphore.

Strict: the left neighbour raises a strict counter on this thread, which spins on it and pulls the value; a
barrier ends the repetition. Semaphore: the left neighbour puts the value and posts.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._compiled import first_error
from .._mpi import calls
from .._mpi.calls import Window, flush, get, put, succeed, sync
from .._threads import team as threads
from .shared import Counters, Threads, await_counter, counters, post, set_strict


class Links(NamedTuple):
    """What compiled code needs to know of this thread and of the array that is shared."""

    counter: Counters
    window: Window
    loads: bool
    semaphore: bool
    rank: int
    size: int
    # Where this thread leaves its lines' last values, and where it finds those of the left one.
    given: np.ndarray
    found: np.ndarray


class Kernel(serial.Kernel):
    """This thread's strip; the shared array has a value a line, its owner's or the left one's last ones.

    Only what others touch is shared: the pages of a window are small, and lines in them are slower. The
    place of line 0, which is never sent, is the corner's. Nobody overwrites what is still to be read, because
    the corner dependency, or the barrier, keeps all threads in one repetition.
    """

    def setup(self) -> None:
        super().setup()
        comm, n = self.comm, self.problem.n
        self.team = Threads(comm, self.options["access"])
        semaphore, loads = self.options["sync"] == "semaphore", self.team.group is not None
        shared = self.team.array([n])
        shared.own[:] = 0.0
        # With loads, the block of the one that it gives to or pulls from; else private room for copies.
        other = shared.blocks[(comm.rank + (1 if semaphore else -1)) % comm.size] if loads else np.zeros(n)
        columns = (other, shared.own) if semaphore else (shared.own, other)
        window = calls.window(shared.window, comm)
        about = counters(self.team, semaphore), window, loads, semaphore, comm.rank, comm.size
        self.links = Links(*about, *columns)
        # How often this thread has been told that something is there, and has told others.
        self.told = np.zeros(2, np.int64)

    def step(self) -> None:
        code = lines(self.links, self.A, self.told, self.problem.group)
        if not self.links.semaphore:
            self.team.barrier()
        code = first_error(code, corner(self.links, self.A, self.told))
        threads.check(code < 0)
        succeed(code)

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def lines(links, A, told, group):
    """Run the lines of a repetition; return MPI's error code, or less than 0 after a vain wait."""
    code = 0
    for first in range(1, len(A), group):
        stop = min(first + group, len(A))
        if links.rank > 0:
            code = first_error(code, hear(links, told))
            code = first_error(code, pull(links, links.rank - 1, first, stop))
            for j in range(first, stop):
                A[j, 0] = links.found[j]
        for j in range(first, stop):
            loops.line(A, j, 1)
            links.given[j] = A[j, -1]
        if links.rank + 1 < links.size:
            code = first_error(code, give(links, told, links.rank + 1, first, stop))
    return code


@njit(nogil=True, cache=True)
def hear(links, told):
    """Wait until this thread's counter has been raised once more."""
    told[0] += 1
    return await_counter(links.counter, told[0])


@njit(nogil=True, cache=True)
def pull(links, source, first, stop):
    """Get values `first` to `stop` - 1 of another thread, unless they are put here or loaded there."""
    if links.semaphore or links.loads:
        return 0
    code = get(links.window, links.found[first:].ctypes.data, stop - first, source, first)
    return first_error(code, flush(links.window, source))


@njit(nogil=True, cache=True)
def give(links, told, to, first, stop):
    """Tell another thread that lines `first` to `stop` - 1 are there, having put them if it does not pull."""
    told[1] += 1
    if not links.semaphore:
        # In its window, what is pulled by a call is there.
        code = 0 if links.loads else sync(links.window)
        return first_error(code, set_strict(links.counter, to, told[1]))
    code = 0
    if not links.loads:
        code = put(links.window, links.given[first:].ctypes.data, stop - first, to, first)
        code = first_error(code, flush(links.window, to))
    return first_error(code, post(links.counter, to))


@njit(nogil=True, cache=True)
def corner(links, A, told):
    """Carry -A(m-1, n-1) from the last thread to A(0, 0) on the first."""
    code, last, n = 0, links.size - 1, len(A)
    if links.semaphore and links.rank == last > 0:
        links.given[0] = A[-1, -1]
        code = give(links, told, 0, 0, 1)
    if links.rank == 0:
        value = A[-1, -1]
        if last > 0 and links.semaphore:
            code = first_error(code, hear(links, told))
            value = links.found[0]
        elif last > 0:
            code = first_error(code, pull(links, last, n - 1, n))
            value = links.found[n - 1]
        A[0, 0] = -value
    return code
