"""Synch_p2p, MPI one-sided: each rank puts its last column, value by value, to its neighbour."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._compiled import first_error
from .._mpi import calls, onesided
from .._mpi.calls import (
    Window,
    await_flag,
    complete,
    flush,
    post,
    put,
    put_flag,
    start,
    succeed,
    wait,
)
from .._threads import team as threads

# Items after the column: the flag stands in their middle, in a cache line of its own.
FLAG = 16


class Links(NamedTuple):
    """What compiled code needs to know of this rank and of those that it hears and tells."""

    window: Window
    passive: bool
    rank: int
    size: int
    # Groups of one: who is heard, and who is told.
    left: Any
    right: Any


class Kernel(serial.Kernel):
    """This rank's strip, and a window for its ghost column: line 0 is unused, so the corner lands there."""

    def setup(self) -> None:
        super().setup()
        comm, lines = self.comm, self.problem.n
        self.passive = self.options["sync"] == "passive"
        self.window, self.landing = onesided.allocate(comm, [lines + FLAG], self.options["window"])
        self.landing[:] = 0.0
        everyone = comm.Get_group()
        # Whoever has no neighbour on a side has the other end of the corner there; alone, itself.
        sides = zip(loops.neighbours(comm.rank, comm.size), loops.corner(comm.rank, comm.size), strict=True)
        self.neighbours = [everyone.Incl([max(beside, corner, 0)]) for beside, corner in sides]
        self.links = Links(
            calls.window(self.window, comm),
            self.passive,
            comm.rank,
            comm.size,
            *map(calls.handle, self.neighbours),
        )
        self.done, self.column, self.flag = 0, np.zeros(lines), np.zeros(1, np.int64)
        if self.passive:
            self.window.Lock_all()
            self.window.Sync()
        comm.Barrier()

    def repeat(self, count: int) -> None:
        code = pipeline(
            self.links, self.A, self.column, self.landing, self.flag,
            self.problem.group, self.done, self.done + count,
        )  # fmt: skip
        threads.check(code < 0)
        succeed(code)
        self.done += count

    def close(self) -> None:
        if self.passive:
            self.window.Unlock_all()
        self.window.Free()
        for group in self.neighbours:
            group.Free()


@njit(nogil=True, cache=True)
def pipeline(links, A, column, landing, flag, group, begin, end):
    """Run repetitions `begin` to `end` - 1; return MPI's error code, or less than 0 after a vain wait."""
    lines, code = len(A), 0
    if links.size > 1 and not links.passive:
        code = first_error(code, post(links.window, links.left))
    for k in range(begin, end):
        for first in range(1, lines, group):
            stop = min(first + group, lines)
            if links.rank > 0:
                again = stop < lines or k + 1 < end
                code = first_error(code, hear(links, landing, k * lines + stop, again))
                for j in range(first, stop):
                    A[j, 0] = landing[j]
            for j in range(first, stop):
                loops.line(A, j, 1)
                column[j] = A[j, -1]
            if links.rank + 1 < links.size:
                code = first_error(code, deliver(links, column, flag, first, stop, k * lines + stop))
        told = corner(links, A, column, landing, flag, (k + 1) * lines, k + 1 < end)
        code = first_error(code, told)
    return code


@njit(nogil=True, cache=True)
def hear(links, landing, value, again):
    """Wait until the left neighbour has put up to `value` lines; let it go on if it will put `again`."""
    if links.passive:
        return await_flag(links.window, landing[-FLAG // 2 :].ctypes.data, value)
    code = wait(links.window)
    return first_error(code, post(links.window, links.left)) if again else code


@njit(nogil=True, cache=True)
def deliver(links, column, flag, first, stop, value):
    """Put column[first:stop] into the right neighbour's window; it has then `value` lines."""
    window, to = links.window, (links.rank + 1) % links.size
    where = column[first:].ctypes.data
    if links.passive:
        flag[0] = value
        code = first_error(put(window, where, stop - first, to, first), flush(window, to))
        code = first_error(code, put_flag(window, flag.ctypes.data, to, len(column) + FLAG // 2))
        return first_error(code, flush(window, to))
    code = first_error(start(window, links.right), put(window, where, stop - first, to, first))
    return first_error(code, complete(window))


@njit(nogil=True, cache=True)
def corner(links, A, column, landing, flag, value, again):
    """Carry -A(m-1, n-1) from the last rank to A(0, 0) on the first, by line 0 of the column."""
    code = 0
    column[0] = A[-1, -1]
    if links.rank + 1 == links.size > 1:
        code = deliver(links, column, flag, 0, 1, value)
    if links.rank == 0:
        if links.size > 1:
            code = first_error(code, hear(links, landing, value, again))
            column[0] = landing[0]
        A[0, 0] = -column[0]
    return code
