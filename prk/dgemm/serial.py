"""DGEMM, serial: the panels are parts of the one block of A and of B."""

from typing import Any

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.dgemm import loops
from prk.dgemm.problem import Dgemm
from prk.dgemm.schedule import Line


class Panels:
    """The panels of A along a row of the grid, or of B along a column, one after the other.

    A runtime's subclass gets them from the rank that owns them while the one before is multiplied.
    """

    def __init__(self, kernel: "Kernel", line: Line, block: np.ndarray):
        # The block's first index is k, so that its panels are contiguous.
        self.kernel, self.line, self.block = kernel, line, block
        self.comm: Any = kernel.comm
        self.places = self.landing()
        self.prepare()

    def landing(self) -> list[np.ndarray]:
        """Return where each panel of others lands, one of two places in turn; of own ones, nothing."""
        line = self.line
        widths = [0 if line.own(p) else panel.width for p, panel in enumerate(line.panels)]
        places = [memory.empty((max(widths), self.block.shape[1])) for _ in range(2)]
        for place in places:
            place[:] = 0.0
        return [places[p % 2][:width] for p, width in enumerate(widths)]

    def prepare(self) -> None:
        """Prepare communication."""

    def panel(self, number: int) -> np.ndarray:
        """Return where panel `number` is, or will be."""
        return self.block[self.line.within(number)] if self.line.own(number) else self.places[number]

    def begin(self, number: int) -> None:
        """Begin to get panel `number`, the one before it being in use."""

    def end(self, number: int) -> None:
        """Return when panel `number` is there."""

    def finish(self) -> None:
        """End a repetition: whatever this rank sends has left."""

    def close(self) -> None:
        """Release what the garbage collector cannot."""


class Kernel(kernel.Kernel[Dgemm]):
    """This rank's blocks of A, stored by columns, and of B and C, stored by rows."""

    def setup(self) -> None:
        problem, rank, size = self.problem, self.comm.rank, self.comm.size
        self.rows, self.columns = problem.ranges(rank, size)
        height, width = problem.shape(rank, size)
        self.local = loops.by(problem.local)
        self.A, self.B = self.allocate((width, height)), self.allocate((height, width))
        self.C = memory.empty((height, width))
        self.start()
        row, column = self.lines()
        self.number = len(row.panels)
        self.panels = self.make(row, self.A), self.make(column, self.B)

    def lines(self) -> tuple[Line, Line]:
        """Return the ways of A's and of B's panels that this rank takes part in."""
        return self.problem.lines(self.comm.rank, self.comm.size)

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        """Return A or B, its pages not yet touched."""
        return memory.empty(shape)

    def start(self) -> None:
        """Set A(i,j) = B(i,j) = j and C = 0, which also places the pages."""
        column = np.arange(*self.columns, dtype=float)
        self.A[:], self.B[:], self.C[:] = column[:, None], column, 0.0

    def make(self, line: Line, block: np.ndarray) -> Panels:
        """Return what gets the panels of one of the two matrices; alone in its line, a rank has them all."""
        return Panels(self, line, block)

    def step(self) -> None:
        self.begin(0)
        for number in range(self.number):
            self.end(number)
            if number + 1 < self.number:
                self.begin(number + 1)
            a, b = (panels.panel(number) for panels in self.panels)
            self.multiply(a, b)
        self.finish()

    def begin(self, number: int) -> None:
        """Begin to get both panels of a number."""
        for panels in self.panels:
            panels.begin(number)

    def end(self, number: int) -> None:
        """Return when both panels of a number are there."""
        for panels in self.panels:
            panels.end(number)

    def finish(self) -> None:
        """End a repetition."""
        for panels in self.panels:
            panels.finish()

    def multiply(self, a: np.ndarray, b: np.ndarray) -> None:
        """Add the product of a panel of A and one of B to C."""
        self.local(a, b, self.C, 0, len(self.C))

    def fields(self) -> Fields:
        where = slice(*self.rows), slice(*self.columns)
        return {"A": Box(where, self.A.T), "B": Box(where, self.B), "C": Box(where, self.C)}

    def close(self) -> None:
        for panels in self.panels:
            panels.close()
