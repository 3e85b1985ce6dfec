"""Synch_p2p, MPI two-sided: one value a line travels from each rank to its right neighbour."""

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._compiled import first_error
from .._mpi.calls import calls, recv, send, succeed


class Kernel(serial.Kernel):
    """This rank's strip, the left neighbour's last column arriving in its ghost column."""

    def setup(self) -> None:
        super().setup()
        self.mpi, self.buffer = calls(self.comm), np.empty(self.problem.group)

    def repeat(self, count: int) -> None:
        succeed(pipeline(self.mpi, self.A, self.buffer, self.comm.rank, self.comm.size, count))


@njit(nogil=True, cache=True)
def pipeline(mpi, A, buffer, rank, size, count):
    """Run `count` repetitions; return MPI's error code, 0 if all went well."""
    lines, width = A.shape
    group, code = buffer.size, 0
    left, right = loops.neighbours(rank, size)
    for _ in range(count):
        for first in range(1, lines, group):
            held = min(group, lines - first)
            if left >= 0:
                code = first_error(code, recv(mpi, buffer.ctypes.data, held, left))
                for g in range(held):
                    A[first + g, 0] = buffer[g]
            for g in range(held):
                loops.line(A, first + g, 1)
                buffer[g] = A[first + g, width - 1]
            if right >= 0:
                code = first_error(code, send(mpi, buffer.ctypes.data, held, right))
        code = first_error(code, corner(mpi, A, buffer, rank, size))
    return code


@njit(nogil=True, cache=True)
def corner(mpi, A, buffer, rank, size):
    """Carry -A(m-1, n-1) from the last rank to A(0, 0) on the first."""
    lines, width = A.shape
    code = 0
    source, to = loops.corner(rank, size)
    buffer[0] = A[lines - 1, width - 1]
    if to >= 0:
        code = send(mpi, buffer.ctypes.data, 1, to)
    if source >= 0:
        code = recv(mpi, buffer.ctypes.data, 1, source)
    if rank == 0:
        A[0, 0] = -buffer[0]
    return code
