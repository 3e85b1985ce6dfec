"""Synch_p2p, MPI and threads: flags between threads of a rank, messages from its last and to its first."""

import numpy as np
from numba import njit

from prk.synch_p2p import loops

from .._compiled import first_error
from .._mpi import end
from .._mpi.calls import calls, recv, send, succeed
from .._threads import team as threads
from .._threads.team import DONE, publish, wait
from ..mpi1.synch_p2p import corner
from ..numba import synch_p2p as threaded


class Kernel(threaded.Kernel):
    """This rank's strip, divided over threads; the left rank's last column arrives in its ghost column."""

    def setup(self) -> None:
        super().setup()
        self.mpi = calls(self.comm)
        # One for the first thread and one for the last: both communicate at the same time.
        self.buffers = np.empty((2, self.problem.group))

    def start_team(self) -> threads.Team:
        # The others may be waiting in MPI, for ranks that wait for this one.
        return threads.team(self.options, end)

    def repeat(self, count: int) -> None:
        self.team.run(self.part, count)

    def part(self, thread: int, count: int) -> int:
        """Run `count` repetitions as one thread; return an error of the team, raise one of MPI."""
        shape = self.comm.rank, self.comm.size, count
        code = pipeline(thread, self.team.shared, self.mpi, self.parts, self.A, self.buffers, *shape)
        succeed(max(code, 0))
        return code


@njit(nogil=True, cache=True)
def pipeline(thread, team, mpi, parts, A, buffers, rank, size, count):
    """Run `count` repetitions on the points of one thread; return an error code, MPI's own if positive."""
    lines, me, last_thread = A.shape[0], DONE + thread, thread == team.size - 1
    incoming, outgoing = buffers[0], buffers[1]
    left, right = loops.neighbours(rank, size)
    code = 0
    for k in range(count):
        for first in range(1, lines, incoming.size):
            last = min(first + incoming.size, lines)
            if thread > 0:
                code = wait(team, me - 1, k * lines + last)
            elif left >= 0:
                code = recv(mpi, incoming.ctypes.data, last - first, left)
                A[first:last, 0] = incoming[: last - first]
            for j in range(first, last):
                loops.part(A, j, parts[thread], parts[thread + 1])
            publish(team, me, k * lines + last)
            if last_thread and right >= 0:
                outgoing[: last - first] = A[first:last, -1]
                code = first_error(code, send(mpi, outgoing.ctypes.data, last - first, right))
            if code:
                return code
        if thread == 0 and size == 1:
            code = wait(team, DONE + team.size - 1, (k + 1) * lines)
        if (thread == 0 and rank == 0) or (last_thread and loops.corner(rank, size)[1] >= 0):
            code = first_error(code, corner(mpi, A, buffers[1 if last_thread else 0], rank, size))
        if code:
            return code
    return 0
