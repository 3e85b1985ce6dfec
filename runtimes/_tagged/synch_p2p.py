"""Synch_p2p on tagged messages: a value, or the values of a group of lines, to the right neighbour."""

from typing import Any

from numba import njit

from prk.synch_p2p import loops, serial
from prk.team import Messages

from . import counted

# Lines that the first member computes before others of its process take their turn.
TURN = 16


@njit(nogil=True, cache=True)
def line(A, j, ghost):
    """Compute line j from the value before it; return its last value."""
    A[j, 0] = ghost
    loops.line(A, j, 1)
    return A[j, A.shape[1] - 1]


class Kernel(serial.Kernel):
    """This member's strip, the left neighbour's last column arriving in its ghost column, a value a line."""

    comm: Messages

    def step(self) -> None:
        self.comm.repetitions += 1
        if self.problem.group == 1:
            self.line_by_line()
        else:
            for first in range(1, self.problem.n, self.problem.group):
                self.lines(first, min(first + self.problem.group, self.problem.n))
        self.corner()

    def line_by_line(self) -> None:
        """Compute all lines, with a message of one number before and after each."""
        comm, A, repetition = self.comm, self.A, self.comm.repetitions
        first, last = comm.rank == 0, comm.rank == comm.size - 1
        for j in range(1, self.problem.n):
            tag = repetition, j
            if first:
                value = line(A, j, A[j, 0])
                if j % TURN == 0:
                    comm.give_way()
            else:
                value = line(A, j, comm.receive(tag)[0])
            if not last:
                comm.send(comm.rank + 1, tag, value)

    def lines(self, first: int, stop: int) -> None:
        """Compute the lines of one message."""
        tag = self.comm.repetitions, first
        if self.comm.rank > 0:
            (self.A[first:stop, 0],) = self.comm.receive(tag)
        else:
            self.comm.give_way()
        loops.block(self.A, first, stop)
        if self.comm.rank < self.comm.size - 1:
            self.comm.send(self.comm.rank + 1, tag, self.A[first:stop, -1].copy())

    def corner(self) -> None:
        """Carry -A(m-1, n-1) from the last member to A(0, 0) on the first."""
        tag = self.comm.repetitions, 0
        if self.comm.rank == self.comm.size - 1:
            self.comm.send(0, tag, float(self.A[-1, -1]))
        if self.comm.rank == 0:
            (corner,) = self.comm.receive(tag)
            self.A[0, 0] = -corner

    def findings(self) -> dict[str, Any]:
        lines = -(-(self.problem.n - 1) // self.problem.group)
        return counted(self.comm, 1 if self.comm.rank == 0 else lines)
