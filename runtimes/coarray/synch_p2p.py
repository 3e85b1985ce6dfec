"""Synch_p2p, Coarray Fortran: a value a line is put to the right neighbour, which then is told.

Each line has a place of its own; the corner dependency keeps an image from overwriting what is not yet read.
"""

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._compiled import first_error
from . import sizes
from .images import Coarray, done, post, put, sync_images, wait

# Events: of the lines, and of the corner.
LINES, CORNER = 0, 1


class Kernel(serial.Kernel):
    """This image's strip; the left neighbour's last column lands in a coarray."""

    def setup(self) -> None:
        super().setup()
        problem, rank, size = self.problem, self.comm.rank, self.comm.size
        self.images = Coarray(self.comm, sizes.synch_p2p(problem, size), events=2)
        # Line 0 is never sent: its place is the corner's.
        self.landing, self.column = self.images.array(problem.n), np.zeros(problem.group)
        # One partner a row, for sync images; without rows, events tell.
        first, last, left, right = 0, size - 1, rank - 1, rank + 1
        rows = [[left], [right], [first], [last]] if self.options["sync"] == "images" else []
        self.partners = np.array(rows, np.int32).reshape(len(rows), 1)

    def repeat(self, count: int) -> None:
        about = self.partners, self.comm.rank, self.comm.size
        done(pipeline(self.images.calls, self.A, self.landing, self.column, about, count))

    def close(self) -> None:
        self.images.close()


@njit(nogil=True, cache=True)
def pipeline(images, A, landing, column, about, count):
    """Run `count` repetitions; return the first code that is not 0."""
    partners, rank, size = about
    lines, width = A.shape
    code = np.int32(0)
    for _ in range(count):
        for first in range(1, lines, column.size):
            held = min(column.size, lines - first)
            if rank > 0:
                code = first_error(code, hear(images, LINES, partners[:1]))
                A[first : first + held, 0] = landing[first : first + held]
            for g in range(held):
                loops.line(A, first + g, 1)
                column[g] = A[first + g, width - 1]
            if rank < size - 1:
                values = column[:held]
                code = first_error(code, tell(images, landing[first:], values, rank + 1, LINES, partners[1:]))
            if code:
                return code
        code = first_error(code, corner(images, A, landing, column, about))
    return code


@njit(nogil=True, cache=True)
def corner(images, A, landing, column, about):
    """Carry -A(m-1, n-1) from the last image to A(0, 0) on the first."""
    partners, rank, size = about
    code, value = np.int32(0), A[-1, -1]
    if rank == size - 1 > 0:
        column[0] = value
        code = tell(images, landing, column[:1], 0, CORNER, partners[2:])
    if rank == 0:
        if size > 1:
            code = first_error(code, hear(images, CORNER, partners[3:]))
            value = landing[0]
        A[0, 0] = -value
    return code


@njit(nogil=True, cache=True)
def tell(images, there, values, to, event, partners):
    """Put values to another image, and tell it: by an event, or by waiting for the first of the partners."""
    code = put(images, there.ctypes.data, values.ctypes.data, 8 * values.size, to)
    told = sync_images(images, partners[0]) if len(partners) else post(images, event, to)
    return first_error(code, told)


@njit(nogil=True, cache=True)
def hear(images, event, partners):
    """Wait for what is told."""
    return sync_images(images, partners[0]) if len(partners) else wait(images, event, 1)
