"""Synch_p2p, serial: one strip is the whole grid; the corner dependency stays inside it."""

from collections.abc import Mapping

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.synch_p2p import loops
from prk.synch_p2p.problem import SynchP2P


class Kernel(kernel.Kernel[SynchP2P]):
    """This rank's strip, lines contiguous; the first column is a ghost if there is a left neighbour."""

    def setup(self) -> None:
        self.strip = self.problem.strip(self.comm.rank, self.comm.size)
        self.ghosts = 1 if self.strip[0] > 0 else 0
        self.A = self.allocate((self.problem.n, self.strip[1] - self.strip[0] + self.ghosts))
        self.start()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the strip with its ghost column, its pages not yet touched."""
        return memory.empty(shape)

    def start(self) -> None:
        """Set A(i,0) = i and A(0,j) = j, which also places the pages."""
        self.A[:] = 0.0
        self.A[0] = np.arange(self.strip[0] - self.ghosts, self.strip[1])
        if self.strip[0] == 0:
            self.A[:, 0] = np.arange(self.problem.n)

    def step(self) -> None:
        loops.sweep(self.A)

    def fields(self) -> Fields:
        return {"A": Box((slice(0, self.problem.n), slice(*self.strip)), self.A[:, self.ghosts :])}

    def save(self) -> dict[str, np.ndarray]:
        """Return the field, and the ghost of the first line, which is a boundary value that nobody sends."""
        return {**super().save(), "border": self.A[0, : self.ghosts].copy()}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.A[0, : self.ghosts] = state["border"]
