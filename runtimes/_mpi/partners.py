"""Messages between a member and its partners of the moment, whose lengths only the senders know."""

from collections.abc import Sequence

import numpy as np
from mpi4py import MPI

from prk import memory

from .largecount import message


class Exchange:
    """An exchange that is under way: the lengths first, then what is so long."""

    def __init__(self, comm: MPI.Intracomm, partners: Sequence[int], out: Sequence[np.ndarray]):
        self.comm, self.partners, self.out = comm, partners, [part.ravel() for part in out]
        self.given = [np.array([part.size]) for part in self.out]
        self.taken = [np.zeros(1, np.int64) for _ in partners]
        self.requests = self.begun(self.given, self.taken)

    def begun(self, out: Sequence[np.ndarray], into: Sequence[np.ndarray]) -> list[MPI.Request]:
        """Begin to exchange arrays whose lengths both sides know; empty ones do not travel."""
        receives, sends = (
            [
                (message(part), partner)
                for part, partner in zip(parts, self.partners, strict=True)
                if part.size
            ]
            for parts in (into, out)
        )
        return [*(self.comm.Irecv(*one) for one in receives), *(self.comm.Isend(*one) for one in sends)]

    def end(self) -> list[np.ndarray]:
        """Return what each partner gave."""
        MPI.Request.Waitall(self.requests)
        into = [memory.empty(int(size[0])) for size in self.taken]
        MPI.Request.Waitall(self.begun(self.out, into))
        return into
