"""Synch_p2p, MPI shared memory: a rank reads its left neighbour's last column in shared memory."""

from typing import NamedTuple

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._compiled import first_error
from .._mpi.calls import Calls, Window, calls, recv, send, succeed, sync, window
from .._mpi.group import Group
from .._threads import team as threads
from .._threads.team import DONE, publish, wait


class Links(NamedTuple):
    """What compiled code needs to know of this rank, its group and its neighbours."""

    mpi: Calls
    window: Window
    flags: threads.Shared
    by_flags: bool
    rank: int
    size: int
    # The ranks of the group are `first` to `beyond` - 1.
    first: int
    beyond: int


class Kernel(serial.Kernel):
    """This rank's strip, and its last column in the group's window."""

    def setup(self) -> None:
        super().setup()
        self.group = group = Group(self.comm, self.options["group-size"])
        # Only what others read is in the window: its pages are small, and a line in them took 20 % longer.
        columns = group.share([self.problem.n])
        columns[group.rank][:] = 0.0
        # Where the group has no rank to the left, another column stands for its, and is not read.
        self.columns = columns[group.rank], columns[max(group.rank - 1, 0)], columns[-1]
        self.done, self.buffer = 0, np.empty(self.problem.group)
        self.links = Links(
            calls(self.comm),
            window(group.windows[0], group.comm),
            group.flags(),
            self.options["local-sync"] == "flags",
            self.comm.rank,
            self.comm.size,
            group.first,
            group.first + group.size,
        )

    def repeat(self, count: int) -> None:
        code = pipeline(self.links, self.A, *self.columns, self.buffer, self.done, self.done + count)
        threads.check(code < 0)
        succeed(code)
        self.done += count

    def close(self) -> None:
        self.group.close()


@njit(nogil=True, cache=True)
def pipeline(links, A, column, left, last, buffer, begin, end):
    """Run repetitions `begin` to `end` - 1; return MPI's error code, or less than 0 after a vain wait."""
    lines, group, code = len(A), len(buffer), 0
    for k in range(begin, end):
        for start in range(1, lines, group):
            stop = min(start + group, lines)
            told = fetch(links, A, left, buffer, start, stop, k * lines + stop)
            code = first_error(code, told)
            for j in range(start, stop):
                loops.line(A, j, 1)
                column[j] = A[j, -1]
            code = first_error(code, hand_over(links, column, start, stop, k * lines + stop))
        code = first_error(code, corner(links, A, column, last, buffer, (k + 1) * lines))
    return code


@njit(nogil=True, cache=True)
def tell(links, to, value):
    """Tell a rank of the group that `value` lines are done."""
    if links.by_flags:
        publish(links.flags, DONE + links.rank - links.first, value)
        return 0
    return first_error(sync(links.window), send(links.mpi, 0, 0, to))


@njit(nogil=True, cache=True)
def await_(links, source, value):
    """Wait until a rank of the group has told that `value` lines are done."""
    if links.by_flags:
        return wait(links.flags, DONE + source - links.first, value)
    return first_error(recv(links.mpi, 0, 0, source), sync(links.window))


@njit(nogil=True, cache=True)
def fetch(links, A, left, buffer, start, stop, value):
    """Fill the ghost column of lines `start` to `stop` - 1."""
    source, _ = loops.neighbours(links.rank, links.size)
    if source < 0:
        return 0
    if source >= links.first:
        code = await_(links, source, value)
        for j in range(start, stop):
            A[j, 0] = left[j]
        return code
    code = recv(links.mpi, buffer.ctypes.data, stop - start, source)
    for j in range(start, stop):
        A[j, 0] = buffer[j - start]
    return code


@njit(nogil=True, cache=True)
def hand_over(links, column, start, stop, value):
    """Give the last column of lines `start` to `stop` - 1 to the right neighbour."""
    _, to = loops.neighbours(links.rank, links.size)
    if to < 0:
        return 0
    if to < links.beyond:
        return tell(links, to, value)
    return send(links.mpi, column[start:stop].ctypes.data, stop - start, to)


@njit(nogil=True, cache=True)
def corner(links, A, column, last, buffer, value):
    """Carry -A(m-1, n-1) from the last rank to A(0, 0) on the first."""
    code, end, corner = 0, links.size - 1, column[-1:]
    together = links.first == 0 and links.beyond > end
    if links.rank == end > 0:
        code = tell(links, 0, value) if together else send(links.mpi, corner.ctypes.data, 1, 0)
    if links.rank == 0:
        if together:
            code = first_error(code, await_(links, end, value) if end > 0 else 0)
            A[0, 0] = -last[-1]
        else:
            code = first_error(code, recv(links.mpi, buffer.ctypes.data, 1, end))
            A[0, 0] = -buffer[0]
    return code
