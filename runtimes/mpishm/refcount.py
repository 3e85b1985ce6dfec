"""RefCount, MPI shared memory: atomic instructions, or a lock, on counters in a window of the group."""

import numpy as np

from prk.refcount import serial

from .._mpi.group import Group
from .._threads import team as threads
from ..numba.refcount import updates


class Kernel(serial.Kernel):
    """This rank's vectors, and the counters in their owner's part of the window."""

    def setup(self) -> None:
        self.group = Group(self.comm, self.options["group-size"])
        super().setup()
        self.team = self.group.flags()

    def allocate(self, shape: tuple[int, int, int]) -> np.ndarray:
        held = self.group.share(shape, np.int64)
        mine = held[self.group.rank]
        self.pair = mine[0] if len(mine) else held[0][0]
        return mine

    def repeat(self, count: int) -> None:
        vectors = self.a[0], self.b[0], self.c[0]
        how = self.dependent, self.problem.lock == "lock"
        threads.check(updates(self.team, self.pair, *how, *vectors, count))
        if self.problem.counters == "shared":
            # All have made their updates.
            self.group.sync()
            self.group.comm.Barrier()
            self.group.sync()

    def close(self) -> None:
        self.group.close()
