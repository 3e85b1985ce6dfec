"""Stencil, serial: one tile is the whole grid, and there is nobody to exchange a halo with."""

from typing import NamedTuple

import numpy as np

from prk import decomposition, kernel, memory
from prk.check import Box, Fields
from prk.decomposition import Tile
from prk.stencil import loops, schedule
from prk.stencil.problem import Stencil


class Side(NamedTuple):
    """One side of a tile: who is there (None at the border), the edge it is sent, the ghosts it fills."""

    neighbour: int | None
    edge: tuple[slice, slice]
    ghost: tuple[slice, slice]


class Kernel(kernel.Kernel[Stencil]):
    """This rank's tile of the grid, inside a ghost frame as deep as the radius."""

    def setup(self) -> None:
        problem = self.problem
        self.tile = self.place()
        self.sweep = loops.make_sweep(problem.pattern, problem.radius, problem.scale)
        self.held = self.room()
        height, width = (stop - start for start, stop in self.held)
        self.inp, self.out = self.allocate((height, width))
        # The tile and what the stencil updates of it, as index ranges of the arrays.
        self.own = self.indices((self.tile.rows, self.tile.cols))
        first, last = problem.interior
        (top, bottom), (left, right) = self.tile.rows, self.tile.cols
        self.inner = self.indices(
            ((max(top, first), min(bottom, last)), (max(left, first), min(right, last)))
        )
        self.start()

    def place(self) -> Tile:
        """Return the tile that this rank computes."""
        return self.problem.tile(self.comm.rank, self.comm.size)

    def room(self) -> decomposition.Box:
        """Return what the arrays hold of the grid: the tile in its ghost frame, which may stand out."""
        return decomposition.frame((self.tile.rows, self.tile.cols), self.problem.radius)

    def indices(self, box: decomposition.Box) -> tuple[int, int, int, int]:
        """Return where the arrays hold a box of the grid: first and last row, first and last column."""
        (top, _), (left, _) = self.held
        (r0, r1), (c0, c1) = box
        return r0 - top, r1 - top, c0 - left, c1 - left

    def allocate(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the framed arrays in and out, their pages not yet touched."""
        dtype = self.problem.dtype
        return memory.empty(shape, dtype), memory.empty(shape, dtype)

    def start(self) -> None:
        """Give both fields their first values, which also places their pages."""
        view, out = (field.values for field in self.fields().values())
        out[:] = 0
        view[:] = np.arange(*self.tile.rows)[:, None]
        view += np.arange(*self.tile.cols).astype(view.dtype)

    def sides(self) -> list[list[Side]]:
        """Return the sides of the tile, north and south, then west and east, as the schedule has them."""
        return [
            [Side(side.neighbour, self.slices(side.edge), self.slices(side.ghost)) for side in axis]
            for axis in schedule.sides(self.tile, self.problem.radius)
        ]

    def slices(self, box: decomposition.Box) -> tuple[slice, slice]:
        """Return where the arrays hold a box of the grid."""
        r0, r1, c0, c1 = self.indices(box)
        return slice(r0, r1), slice(c0, c1)

    def exchange(self) -> None:
        """Fill the ghost frame from the neighbours; alone there are none."""

    def step(self) -> None:
        self.exchange()
        self.update()

    def update(self) -> None:
        """Add the weighted sums to the output, and 1 to the input."""
        self.sweep(self.inp, self.out, *self.inner, *self.own)

    def fields(self) -> Fields:
        top, bottom, left, right = self.own
        where = slice(*self.tile.rows), slice(*self.tile.cols)
        view = slice(top, bottom), slice(left, right)
        return {"in": Box(where, self.inp[view]), "out": Box(where, self.out[view])}
