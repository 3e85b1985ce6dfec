"""RefCount, UPC's model: atomic additions to shared words, or updates under a lock (upc_lock)."""

from collections.abc import Mapping

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.refcount import loops, serial
from prk.refcount.problem import PAGE

from .._compiled import first_error
from .._mpi import calls
from .._mpi.calls import flush, get, lock, put, succeed, unlock
from .._threads import team as threads
from ..mpirma.refcount import atomically
from ..numba.refcount import updates
from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's vectors, and the counters that have affinity to it."""

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        super().setup()
        self.owner = 0 if self.problem.counters == "shared" else self.comm.rank
        self.locked = self.problem.lock == "lock"
        if self.team.group:
            self.pair, self.flags = self.shared.blocks[self.owner][0], self.team.group.flags()
        else:
            self.links = calls.window(self.shared.window, self.comm, MPI.INT64_T, MPI.SUM)
            self.mutex = calls.window(self.team.locks(), self.comm)
            # What is added; then what a thread knows of the counters.
            self.known = np.array([1, 0, 0])
        self.team.barrier()

    def allocate(self, shape: tuple[int, int, int]) -> np.ndarray:
        self.shared = self.team.array(shape, np.int64)
        return self.shared.own

    def repeat(self, count: int) -> None:
        vectors = self.a[0], self.b[0], self.c[0]
        if self.team.group:
            threads.check(updates(self.flags, self.pair, self.dependent, self.locked, *vectors, count))
        elif self.locked:
            links = self.links, self.mutex, self.owner, self.known
            succeed(under_lock(*links, self.dependent, *vectors, count))
        else:
            succeed(atomically(self.links, self.owner, self.known, True, *vectors, count))
        if self.problem.counters == "shared":
            # All have made their updates.
            self.team.barrier()
        self.shared.window.Sync()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.shared.window.Sync()

    def close(self) -> None:
        self.team.close()


@njit(nogil=True, cache=True)
def under_lock(window, mutex, owner, known, dependent, a, b, c, count):
    """Make `count` updates, each of them with the owner's lock taken; return MPI's error code."""
    words = known[1:]
    numbers, first, second, code = words.view(np.float64), words.ctypes.data, words.ctypes.data + 8, 0
    for _ in range(count):
        code = first_error(code, lock(mutex, owner))
        code = first_error(code, get(window, first, 1, owner, 0))
        code = first_error(code, get(window, second, 1, owner, PAGE))
        code = first_error(code, flush(window, owner))
        loops.update(words, numbers, 1, dependent)
        code = first_error(code, put(window, first, 1, owner, 0))
        code = first_error(code, put(window, second, 1, owner, PAGE))
        code = first_error(code, flush(window, owner))
        code = first_error(code, unlock(mutex, owner))
        loops.stream(a, b, c)
    return code
