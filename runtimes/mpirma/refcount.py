"""RefCount, MPI one-sided: Fetch_and_op or Accumulate; or an exclusive lock, within it a get and a put.

The counters lie in a window of the first rank, or each rank's in its own.
"""

from collections.abc import Mapping

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.refcount import loops, serial
from prk.refcount.problem import PAGE

from .._compiled import first_error
from .._mpi import calls, onesided
from .._mpi.calls import fetch_and_op, flush, get, lock, put, put_flag, succeed, unlock


class Kernel(serial.Kernel):
    """This rank's vectors, and the counters that it holds in its window."""

    def setup(self) -> None:
        super().setup()
        self.shared, self.locked = self.problem.counters == "shared", self.problem.lock == "lock"
        self.owner = 0 if self.shared else self.comm.rank
        self.links = calls.window(self.window, self.comm, MPI.INT64_T, MPI.SUM)
        # What is added; then what a rank knows of the counters.
        self.known = np.array([1, 0, 0])
        if not self.locked:
            self.window.Lock_all()
        self.comm.Barrier()

    def allocate(self, shape: tuple[int, int, int]) -> np.ndarray:
        self.window, words = onesided.allocate(self.comm, shape, self.options["window"], np.int64)
        return words

    def repeat(self, count: int) -> None:
        vectors = self.a[0], self.b[0], self.c[0]
        if self.locked:
            made = under_lock(self.links, self.owner, self.known, self.dependent, *vectors, count)
        else:
            fetching = self.options["atomic"] == "fetch-and-op"
            made = atomically(self.links, self.owner, self.known, fetching, *vectors, count)
        succeed(made)
        if self.shared:
            # All have made their updates.
            self.comm.Barrier()
        self.see()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.see()

    def see(self) -> None:
        """Let this rank see what others have done to its counters, and the others what it has."""
        if self.locked:
            self.window.Lock(self.comm.rank)
            self.window.Unlock(self.comm.rank)
        else:
            self.window.Sync()

    def close(self) -> None:
        if not self.locked:
            self.window.Unlock_all()
        self.window.Free()


@njit(nogil=True, cache=True)
def atomically(window, owner, known, fetching, a, b, c, count):
    """Make `count` updates of two accesses, complete before the triad follows; return MPI's error code."""
    code, one = 0, known.ctypes.data
    for _ in range(count):
        for counter in range(2):
            if fetching:
                told = fetch_and_op(window, one, one + 8 + 8 * counter, owner, PAGE * counter)
            else:
                told = put_flag(window, one, owner, PAGE * counter)
            code = first_error(code, told)
        code = first_error(code, flush(window, owner))
        loops.stream(a, b, c)
    return code


@njit(nogil=True, cache=True)
def under_lock(window, owner, known, dependent, a, b, c, count):
    """Make `count` updates, each of them with the window to itself; return MPI's error code."""
    words = known[1:]
    numbers, first, second, code = words.view(np.float64), words.ctypes.data, words.ctypes.data + 8, 0
    for _ in range(count):
        code = first_error(code, lock(window, owner))
        code = first_error(code, get(window, first, 1, owner, 0))
        code = first_error(code, get(window, second, 1, owner, PAGE))
        code = first_error(code, flush(window, owner))
        loops.update(words, numbers, 1, dependent)
        code = first_error(code, put(window, first, 1, owner, 0))
        code = first_error(code, put(window, second, 1, owner, PAGE))
        code = first_error(code, unlock(window, owner))
        loops.stream(a, b, c)
    return code
