"""AMR, serial: each grid is one piece, and there is nobody to get anything from."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import ClassVar

import numpy as np

from prk import decomposition, kernel, memory
from prk.amr import loops
from prk.amr.grid import Grid
from prk.amr.problem import REFINEMENTS, Amr
from prk.check import Fields
from prk.kernel import Period
from prk.stencil import serial as stencil


class Kernel(kernel.Kernel[Amr]):
    """This member's pieces of the five grids, each one a kernel of Stencil, which exchanges its halos."""

    piece: ClassVar[type[stencil.Kernel]] = stencil.Kernel

    pieces: Sequence[stencil.Kernel]

    def setup(self) -> None:
        self.done = 0
        self.layout = self.problem.layout(self.comm.size)
        self.pieces = [self.make(grid, n) for n, grid in enumerate(self.problem.grids(self.comm.size))]
        self.background, *self.refinements = self.pieces
        for piece in self.refinements:
            piece.inp[...] = piece.out[...] = 0
        # What each refinement's piece is interpolated from.
        self.needed = [feed.needed(self.comm.rank) for feed in self.layout.feeds]
        self.around = [memory.empty(shape(box)) for box in self.needed]
        self.periods: list[Period] = []
        self.told, self.seconds = 0, 0.0

    def make(self, grid: Grid, number: int) -> stencil.Kernel:
        """Return this member's piece of a grid."""
        return self.piece(grid, self.comm, self.options)

    def step(self) -> None:
        problem, repetition = self.problem, self.done
        number = problem.living(repetition)
        refinement = self.refinements[number]
        self.done += 1
        if self.background.tile.shape[0]:
            self.background.exchange()
        if problem.begins(repetition):
            self.collect(number)
            self.compute(partial(self.interpolate, number))
        if problem.lives(repetition) and refinement.tile.shape[0]:
            for _ in range(problem.sub):
                refinement.exchange()
                self.compute(refinement.update)
        if self.background.tile.shape[0]:
            self.compute(self.background.update)
        self.look()

    def compute(self, work: Callable[[], None]) -> None:
        """Do what is no communication, and add how long that takes."""
        start = perf_counter()
        work()
        self.seconds += perf_counter() - start

    @property
    def workers(self) -> Sequence[tuple[int, int | None]]:
        """Return the members whose load this one tells, each with the worker that it is, if not itself."""
        return [(self.comm.rank, None)]

    @property
    def changing(self) -> bool:
        """Tell whether a period ends: where the next repetition has another load, and with the run."""
        problem, done = self.problem, self.done
        return done == 1 or done >= problem.repetitions or problem.alive(done) != problem.alive(done - 1)

    def look(self) -> None:
        """End a period of the load, if it does."""
        problem, done = self.problem, self.done
        if not self.changing:
            return
        # The warm-up compiles, and is no part of a period.
        for rank, worker in self.workers if done > 1 else ():
            work = (done - self.told) * problem.load(rank, self.comm.size, done - 1)
            self.periods.append(Period(done, work, self.seconds, worker=worker))
        self.told, self.seconds = done, 0.0

    def collect(self, number: int) -> None:
        """Get what a refinement's piece is interpolated from, and give others what theirs are."""
        own = self.layout.feeds[number].own(self.comm.rank)
        if own:
            self.lacking(number, own)[:] = self.having(own)

    def having(self, box: decomposition.Box) -> np.ndarray:
        """Return a box of the background, in this member's piece."""
        r0, r1, c0, c1 = self.background.indices(box)
        return self.background.inp[r0:r1, c0:c1]

    def lacking(self, number: int, box: decomposition.Box) -> np.ndarray:
        """Return where a box of the background goes from which a refinement's piece is interpolated."""
        (top, _), (left, _) = self.needed[number]
        (r0, r1), (c0, c1) = box
        return self.around[number][r0 - top : r1 - top, c0 - left : c1 - left]

    def interpolate(self, number: int) -> None:
        """Give a refinement's piece its input."""
        self.fill(number, 0, self.refinements[number].tile.shape[0])

    def fill(self, number: int, start: int, stop: int) -> None:
        """Interpolate rows `start` to `stop` - 1 of a refinement's piece."""
        piece, feed = self.refinements[number], self.layout.feeds[number]
        (top, _), (left, _) = self.needed[number]
        row, _, c0, c1 = piece.own
        loops.interpolate(
            self.around[number], feed.corner[0] - top, feed.corner[1] - left,
            piece.inp, (row + start, row + stop, c0, c1),
            (piece.tile.rows[0] + start, piece.tile.cols[0]), feed.expansion,
        )  # fmt: skip

    def fields(self) -> Fields:
        found = dict(self.background.fields())
        for number in REFINEMENTS:
            part = self.refinements[number].fields()
            found |= {f"in {number}": part["in"], f"out {number}": part["out"]}
        return found

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        # An audit begins anywhere.
        self.done = self.told = int(state["begun"]) if "begun" in state else repetition

    def close(self) -> None:
        for piece in self.pieces:
            piece.close()


def shape(box: decomposition.Box) -> tuple[int, int]:
    """Return the rows and columns of a box."""
    (top, bottom), (left, right) = box
    return bottom - top, right - left
