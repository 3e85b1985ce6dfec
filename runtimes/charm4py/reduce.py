"""Reduce by Charm4py's own reduction, whose result the first chare gets, a segment at a time."""

from charm4py import Reducer

from prk.reduce import loops, serial

from . import SEGMENT
from .team import Timed


class Kernel(Timed, serial.Kernel):
    """One chare's vectors."""

    def step(self) -> None:
        comm = self.comm
        for start in range(0, self.v.size, SEGMENT):
            part = self.v[start : start + SEGMENT]
            loops.add(part, self.ones[start : start + SEGMENT])
            comm.chare.reduce(comm.proxy(0).reduced, part, Reducer.sum)
            if comm.rank == 0:
                (part[:],) = comm.receive("reduced")
            # The others would run ahead, and what they contribute would fill the memory.
            comm.bcast(None)
