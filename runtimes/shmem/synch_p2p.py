"""Synch_p2p, OpenSHMEM: put a value and raise a flag a line, with or without handshake.

Without: each line has a place of its own, and its flag's sense alternates from repetition to repetition;
the corner dependency keeps a PE from being two repetitions ahead. With: one place and one flag, which the
receiver gives back before they are used again.
"""

import numpy as np
from numba import njit

from prk.synch_p2p import loops, serial

from .._compiled import first_error
from . import heap
from .compiled import EQ, GE, atomic_set, fence, put, wait_until
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's strip; the left neighbour's last column lands in symmetric memory."""

    def setup(self) -> None:
        super().setup()
        problem = self.problem
        self.shmem = symmetric(self.comm, heap.synch_p2p(problem, self.comm.size))
        # Line 0 is never sent: its place and flag serve the corner.
        self.values, self.flags = (self.shmem.zeros(problem.n, kind) for kind in (float, np.int64))
        self.taken = self.shmem.zeros(1, np.int64)
        self.handshake = self.options["handshake"] == "on"
        # Repetitions, and messages over all of them, so far; then the word that compiled code sends.
        self.state = np.zeros(3, np.int64)
        self.column = np.zeros(problem.group)

    def repeat(self, count: int) -> None:
        code = pipeline(
            self.shmem.calls, self.A, self.values, self.flags, self.taken, self.column, self.state,
            self.comm.rank, self.comm.size, self.handshake, count,
        )  # fmt: skip
        if code:
            raise RuntimeError(f"the pipeline stopped with error {code}")

    def close(self) -> None:
        self.shmem.close()


@njit(nogil=True, cache=True)
def pipeline(sh, A, values, flags, taken, column, state, rank, size, handshake, count):
    """Run `count` repetitions; return an error code, 0 if all went well."""
    lines, width = A.shape
    group, word, code = column.size, state[2:], np.int32(0)
    left, right = loops.neighbours(rank, size)
    for _ in range(count):
        state[0] += 1
        for first in range(1, lines, group):
            held = min(group, lines - first)
            state[1] += 1
            place = 1 if handshake else first
            raised = state[1] if handshake else state[0] % 2
            where, flag = values.ctypes.data + 8 * place, flags.ctypes.data + 8 * place
            if left >= 0:
                code = first_error(code, wait_until(sh, flag, EQ, raised))
                A[first : first + held, 0] = values[place : place + held]
                if handshake:
                    word[0] = state[1]
                    code = first_error(code, atomic_set(sh, taken.ctypes.data, word, left))
            for g in range(held):
                loops.line(A, first + g, 1)
                column[g] = A[first + g, width - 1]
            if right >= 0:
                if handshake:
                    code = first_error(code, wait_until(sh, taken.ctypes.data, EQ, state[1] - 1))
                code = first_error(code, put(sh, where, column.ctypes.data, held, right))
                code = first_error(code, fence(sh, right))
                word[0] = raised
                code = first_error(code, atomic_set(sh, flag, word, right))
            if code:
                return code
        code = first_error(code, corner(sh, A, values, flags, column, state, rank, size))
    return code


@njit(nogil=True, cache=True)
def corner(sh, A, values, flags, column, state, rank, size):
    """Carry -A(m-1, n-1) from the last PE to A(0, 0) on the first."""
    lines, width = A.shape
    word, code = state[2:], np.int32(0)
    if rank == size - 1:
        column[0], word[0] = A[lines - 1, width - 1], state[0]
        code = first_error(code, put(sh, values.ctypes.data, column.ctypes.data, 1, 0))
        code = first_error(code, fence(sh, 0))
        code = first_error(code, atomic_set(sh, flags.ctypes.data, word, 0))
    if rank == 0:
        code = first_error(code, wait_until(sh, flags.ctypes.data, GE, state[0]))
        A[0, 0] = -values[0]
    return code
