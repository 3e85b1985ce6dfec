"""Sparse, serial: the one slice of the vector is all of it."""

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields
from prk.sparse import loops, schedule
from prk.sparse.problem import Sparse


class Kernel(kernel.Kernel[Sparse]):
    """This member's rows of the matrix and of the result, and the whole vector, of which it owns a slice."""

    def setup(self) -> None:
        problem = self.problem
        self.span = problem.span(self.comm.rank, self.comm.size)
        self.rows = self.span[1] - self.span[0]
        length = self.rows * problem.row_length
        self.starts = memory.empty(self.rows + 1, np.uint64)
        self.columns, self.matrix = memory.empty(length, problem.index), memory.empty(length)
        self.result = memory.empty(self.rows)
        self.lines = problem.lines(self.comm.size)
        lines = self.allocate((self.lines.number(problem.order), self.lines.pitch))
        self.own = lines[slice(*(self.lines.number(c) for c in self.span))]
        self.vector = lines.reshape(-1)
        self.start()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the vector's lines, their pages not yet touched."""
        return memory.empty(shape)

    def start(self) -> None:
        """Set vector and result to 0 and the matrix up, which also places the pages."""
        self.fill(0, self.rows)
        self.vector[:], self.result[:] = 0.0, 0.0

    def fill(self, first: int, last: int) -> None:
        """Set up the rows `first` to `last` - 1 of this member's."""
        pattern = self.problem.pattern
        order = schedule.reversed_bits(np.arange(1 << pattern.bits), pattern.bits)
        where = self.span[0], first, last, pattern.bits, pattern.radius
        layout = self.lines.bits, self.lines.padding
        loops.fill(self.starts, self.columns, self.matrix, *where, order, pattern.scramble, *layout)

    def step(self) -> None:
        self.update()
        self.gather()
        self.multiply()

    def update(self) -> None:
        """Update this member's slice of the vector."""
        loops.update(self.own, self.span[0], 1 << self.lines.bits)

    def gather(self) -> None:
        """Get the slices of the others, or what is needed of them."""

    def needed(self) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
        """Return where the elements are that others own and this member needs, and the reverse, by rank."""
        pattern, me = self.problem.pattern, (self.comm.rank, self.comm.size)
        taken, given = (
            {rank: self.lines.place(columns).astype(self.problem.index) for rank, columns in found.items()}
            for found in (pattern.taken(*me), pattern.given(*me))
        )
        return taken, given

    def multiply(self) -> None:
        """Add this member's rows times the vector to the result."""
        loops.multiply(self.starts, self.columns, self.matrix, self.vector, self.result)

    def fields(self) -> Fields:
        rows, length, bits = slice(*self.span), self.problem.row_length, self.problem.lsize
        width = 1 << self.lines.bits
        # Of the vector, lines of the grid's side, or a part of one.
        top, left = self.span[0] >> bits, self.span[0] % (1 << bits)
        part = slice(top, top + len(self.own)), slice(left, left + width)
        return {
            "vector": Box(part, self.own[:, :width]),
            "result": Box((rows,), self.result),
            "matrix": Box((rows, slice(0, length)), self.matrix.reshape(self.rows, length)),
        }
