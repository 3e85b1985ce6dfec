"""RefCount, OpenSHMEM: an atomic fetch and add; or a lock, within it a get and a put."""

import numpy as np
from numba import njit

from prk.refcount import loops, serial
from prk.refcount.problem import PAGE

from .._compiled import first_error
from . import heap
from .compiled import atomic_add, clear_lock, get, put, set_lock
from .heap import APART
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's vectors, and a symmetric pair of counters, which may be the first PE's only."""

    def setup(self) -> None:
        size = self.comm.size
        self.shmem = symmetric(self.comm, heap.refcount(self.problem, size))
        super().setup()
        self.owner = 0 if self.problem.counters == "shared" else self.comm.rank
        self.lock = self.shmem.zeros((size, APART), np.int64)[self.owner]
        # What is added, and what a free lock holds; room for what was there; what is known of the counters.
        self.known = np.array([1, 0, 0, 0, 0])
        self.shmem.barrier_all()

    def allocate(self, shape: tuple[int, int, int]) -> np.ndarray:
        self.pair = self.shmem.zeros(shape[1:], np.int64)
        return self.pair[None][: shape[0]]

    def repeat(self, count: int) -> None:
        vectors = self.a[0], self.b[0], self.c[0]
        counters = self.shmem.calls, self.pair, self.owner, self.known
        if self.problem.lock == "lock":
            code = under_lock(*counters, self.lock, self.dependent, *vectors, count)
        else:
            code = atomically(*counters, *vectors, count)
        if code:
            raise RuntimeError(f"an update ended with error {code}")
        # All have made their updates.
        if self.problem.counters == "shared":
            self.shmem.barrier_all()

    def close(self) -> None:
        self.shmem.close()


@njit(nogil=True, cache=True)
def atomically(sh, pair, owner, known, a, b, c, count):
    """Make `count` updates, an atomic addition to either counter; return an error code."""
    code = np.int32(0)
    for _ in range(count):
        for counter in range(2):
            code = first_error(code, atomic_add(sh, pair[counter].ctypes.data, known, owner))
        loops.stream(a, b, c)
    return code


@njit(nogil=True, cache=True)
def under_lock(sh, pair, owner, known, lock, dependent, a, b, c, count):
    """Make `count` updates of counters that a lock keeps others away from; return an error code."""
    words, code = known[3:], np.int32(0)
    numbers, held, there = words.view(np.float64), words.ctypes.data, pair.ctypes.data
    for _ in range(count):
        code = first_error(code, set_lock(sh, lock.ctypes.data, known, owner))
        for counter in range(2):
            code = first_error(code, get(sh, held + 8 * counter, there + 8 * PAGE * counter, 1, owner))
        loops.update(words, numbers, 1, dependent)
        for counter in range(2):
            code = first_error(code, put(sh, there + 8 * PAGE * counter, held + 8 * counter, 1, owner))
        code = first_error(code, clear_lock(sh, lock.ctypes.data, known, owner))
        if code:
            return code
        loops.stream(a, b, c)
    return code
