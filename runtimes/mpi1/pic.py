"""PIC, MPI two-sided: lengths travel to the partners, then what is so long."""

from collections.abc import Sequence

import numpy as np

from prk.pic import distributed

from .._mpi.partners import Exchange


class Kernel(distributed.Kernel):
    """This rank's tile."""

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        return Exchange(self.comm, partners, out).end()

    def total(self, counts: np.ndarray) -> np.ndarray:
        found = np.empty_like(counts)
        self.comm.Allreduce(counts, found)
        return found
