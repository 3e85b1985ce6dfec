"""Reduce, UPC's model: the first thread adds the vectors of all others to its own, between two barriers."""

import numpy as np

from prk import memory
from prk.reduce import loops, schedules, serial

from .shared import Threads


class Kernel(serial.Kernel):
    """This thread's vectors, the one that is summed as its block of a shared array."""

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        super().setup()
        self.room = memory.empty(min(self.problem.n, schedules.SEGMENT))

    def allocate(self, length: int) -> np.ndarray:
        self.shared = self.team.array([length])
        return self.shared.own

    def step(self) -> None:
        loops.add(self.v, self.ones)
        # All vectors have grown.
        self.team.barrier()
        if self.comm.rank == 0:
            self.gather()
        # No vector is read any more.
        self.team.barrier()

    def gather(self) -> None:
        """Add all others' vectors to this one's, segment by segment."""
        for piece in schedules.segments(self.problem.n):
            room = self.room[: piece.stop - piece.start]
            for thread in range(1, self.comm.size):
                place = ((piece.start, piece.stop),)
                loops.add(self.v[piece], self.shared.pull(thread, place, room))

    def close(self) -> None:
        self.team.close()
