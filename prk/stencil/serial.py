"""Stencil, serial: one tile is the whole grid, and there is nobody to exchange a halo with."""

import numpy as np

from prk import kernel, memory
from prk.problem import Field
from prk.stencil import loops
from prk.stencil.problem import Stencil


class Kernel(kernel.Kernel[Stencil]):
    """This rank's tile of the grid, inside a ghost frame as deep as the radius."""

    def setup(self) -> None:
        problem, r = self.problem, self.problem.radius
        self.tile = problem.tile(self.comm.rank, self.comm.size)
        self.sweep = loops.make_sweep(problem.pattern, r, problem.dtype)
        (top, bottom), (left, right) = self.tile.rows, self.tile.cols
        height, width = self.tile.shape
        self.inp, self.out = self.allocate((height + 2 * r, width + 2 * r))
        # The tile and what the stencil updates of it, as index ranges of the framed arrays.
        self.own = (r, r + height, r, r + width)
        first, last = problem.interior
        self.inner = (
            max(top, first) - top + r,
            min(bottom, last) - top + r,
            max(left, first) - left + r,
            min(right, last) - left + r,
        )
        self.start()

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the framed arrays in and out, their pages not yet touched."""
        dtype = self.problem.dtype
        return memory.empty(shape, dtype), memory.empty(shape, dtype)

    def start(self) -> None:
        """Give both fields their first values, which also places their pages."""
        self.inp[:], self.out[:] = 0, 0
        _, view = self.fields()["in"]
        view[:] = np.arange(*self.tile.rows)[:, None]
        view += np.arange(*self.tile.cols).astype(view.dtype)

    def exchange(self) -> None:
        """Fill the ghost frame from the neighbours; alone there are none."""

    def step(self) -> None:
        self.exchange()
        self.sweep(self.inp, self.out, *self.inner, *self.own)

    def fields(self) -> dict[str, Field]:
        top, bottom, left, right = self.own
        where = slice(*self.tile.rows), slice(*self.tile.cols)
        view = slice(top, bottom), slice(left, right)
        return {"in": (where, self.inp[view]), "out": (where, self.out[view])}
