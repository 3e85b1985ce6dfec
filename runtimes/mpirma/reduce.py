"""Reduce, MPI one-sided: all accumulate into the root's vector, or each gets and sums its part of all."""

import numpy as np
from mpi4py import MPI

from prk import decomposition
from prk.reduce import loops, schedules, serial

from .._mpi import onesided


class Kernel(serial.Kernel):
    """This rank's vectors, the one that is summed in its window."""

    def setup(self) -> None:
        super().setup()
        rank, size, n = self.comm.rank, self.comm.size, self.problem.n
        self.optimal = self.options["algorithm"] == "long-optimal"
        self.own = schedules.pieces(n, size, rank) if self.optimal else schedules.segments(n)
        if self.optimal:
            # The root sums in place, the others beside their own vector.
            first = self.own[0].start
            self.sum = self.v if rank == 0 else np.zeros(self.own[-1].stop - first)
            self.into = [self.sum[p.start - first : p.stop - first] for p in self.own]
            self.landing = np.zeros(max(p.stop - p.start for p in self.own))
        self.window.Lock_all()
        self.synchronise()

    def allocate(self, length: int) -> np.ndarray:
        self.window, vector = onesided.allocate(self.comm, [length], self.options["window"])
        return vector

    def step(self) -> None:
        loops.add(self.v, self.ones)
        # All vectors have grown.
        self.synchronise()
        if self.optimal:
            self.gather()
        if self.comm.rank > 0:
            self.give()
        # All sums are in the root's vector, and no other one is read any more.
        self.synchronise()

    def gather(self) -> None:
        """Get this rank's pieces of the others' vectors, and sum them."""
        for piece, into in zip(self.own, self.into, strict=True):
            if self.sum is not self.v:
                into[:] = self.v[piece]
            landing = self.landing[: into.size]
            for source, _ in decomposition.pairwise(self.comm.rank, self.comm.size):
                self.window.Get(landing, source, piece.start)
                self.window.Flush(source)
                loops.add(into, landing)

    def give(self) -> None:
        """Put the sums of this rank's pieces into the root's vector, or add this rank's vector to it."""
        if self.optimal:
            for piece, into in zip(self.own, self.into, strict=True):
                self.window.Put(into, 0, piece.start)
        else:
            for piece in self.own:
                where = piece.start, piece.stop - piece.start, MPI.DOUBLE
                self.window.Accumulate(self.v[piece], 0, where, MPI.SUM)

    def synchronise(self) -> None:
        """Complete all accesses of all ranks."""
        self.window.Flush_all()
        self.window.Sync()
        self.comm.Barrier()
        self.window.Sync()

    def close(self) -> None:
        self.window.Unlock_all()
        self.window.Free()
