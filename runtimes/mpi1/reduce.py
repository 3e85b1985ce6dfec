"""Reduce, MPI two-sided: the library's own, or one of the report's three algorithms, segment by segment."""

import numpy as np
from mpi4py import MPI
from numba import njit

from prk import decomposition
from prk.reduce import loops, schedules, serial

from .._compiled import first_error
from .._mpi import largecount
from .._mpi.calls import calls, recv, send, succeed

NOBODY = -1


class Kernel(serial.Kernel):
    """This rank's vectors; a segment is summed, and sent on, while it is in cache."""

    def setup(self) -> None:
        super().setup()
        rank, size, n = self.comm.rank, self.comm.size, self.problem.n
        self.algorithm = self.options["algorithm"]
        if self.algorithm in schedules.TREES:
            children, parent = schedules.node(self.algorithm, rank, size)
            self.children = np.array(children, np.int64)
            self.parent = NOBODY if parent is None else parent
            self.mpi = calls(self.comm)
            # What arrives, and the sum of what has arrived and is to be sent on.
            self.parts = np.zeros((2, min(n, schedules.SEGMENT)))
        elif self.algorithm == "long-optimal":
            self.pieces = [schedules.pieces(n, size, r) for r in range(size)]
            self.own, first = self.pieces[rank], self.pieces[rank][0].start
            # The root sums in place, the others beside their own vector.
            self.sum = self.v if rank == 0 else np.zeros(self.own[-1].stop - first)
            self.into = [self.sum[p.start - first : p.stop - first] for p in self.own]
            self.landing = np.zeros(max(p.stop - p.start for p in self.own))

    def step(self) -> None:
        if self.algorithm == "library":
            loops.add(self.v, self.ones)
            library(self.comm, self.v)
        elif self.algorithm == "long-optimal":
            self.scatter()
            self.collect()
        else:
            succeed(tree(self.mpi, self.v, self.ones, self.parts, self.children, self.parent))

    def scatter(self) -> None:
        """Leave on each rank the sums of its pieces, in P - 1 steps."""
        comm, v = self.comm, self.v
        for piece, into in zip(self.own, self.into, strict=True):
            loops.add(v[piece], self.ones[piece])
            into[:] = v[piece]
        for source, to in decomposition.pairwise(comm.rank, comm.size):
            for piece, into in zip(self.pieces[to], self.into, strict=True):
                loops.add(v[piece], self.ones[piece])
                landing = self.landing[: into.size]
                comm.Sendrecv(v[piece], to, recvbuf=landing, source=source)
                loops.add(into, landing)

    def collect(self) -> None:
        """Send the sums to the root."""
        if self.comm.rank > 0:
            for part in filter(len, self.into):
                self.comm.Send(part, 0)
            return
        for source in range(1, self.comm.size):
            for piece in self.pieces[source]:
                if piece.stop > piece.start:
                    self.comm.Recv(self.v[piece], source)


def library(comm: MPI.Intracomm, v: np.ndarray) -> None:
    """Sum by the library's collective, in as few calls as its counts allow."""
    for start in range(0, v.size, largecount.LARGEST):
        part = v[start : start + largecount.LARGEST]
        if comm.rank == 0:
            comm.Reduce(MPI.IN_PLACE, part)
        else:
            comm.Reduce(part, None)


@njit(nogil=True, cache=True)
def tree(mpi, v, ones, parts, children, parent):
    """Run a repetition: take each segment's sums from the children, and give them on; return MPI's error."""
    code, length = 0, parts.shape[1]
    for start in range(0, v.size, length):
        mine = v[start : start + length]
        total, landing = mine, parts[0, : mine.size]
        loops.add(mine, ones[start : start + length])
        for child in children:
            code = first_error(code, recv(mpi, landing.ctypes.data, landing.size, child))
            if parent >= 0 and child == children[0]:
                # Only the root sums in place.
                total = parts[1, : mine.size]
                loops.add_two(total, mine, landing)
            else:
                loops.add(total, landing)
        if parent >= 0:
            code = first_error(code, send(mpi, total.ctypes.data, total.size, parent))
    return code
