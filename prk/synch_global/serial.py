"""Synch_global, serial: one member's digits are the string. Other runtimes change how digits are gathered."""

import numpy as np

from prk import kernel
from prk.check import Box, Fields
from prk.synch_global import loops
from prk.synch_global.problem import SynchGlobal


class Kernel(kernel.Kernel[SynchGlobal]):
    """This member's digits, and the string of all members' digits."""

    def setup(self) -> None:
        rank, size, n = self.comm.rank, self.comm.size, self.problem.n
        self.own = slice(rank * n // size, (rank + 1) * n // size)
        self.string = self.allocate(n)
        self.digits = self.problem.start(size)

    def allocate(self, length: int) -> np.ndarray:
        """Return room for the string."""
        return np.zeros(length, np.uint8)

    def gather(self) -> np.ndarray:
        """Return the digits of all members, in their order."""
        self.string[self.own] = self.digits
        return self.string

    def step(self) -> None:
        loops.scramble(self.gather(), self.comm.rank, self.comm.size, self.digits)

    def fields(self) -> Fields:
        rank = slice(self.comm.rank, self.comm.rank + 1)
        return {
            "members": Box((rank,), np.array([self.comm.size])),
            "digits": Box((self.own,), self.digits),
        }
