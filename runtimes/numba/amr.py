"""AMR, threads: each updates its pieces of the shared grids and waits only for the pieces beside them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit

from prk.amr import loops as interpolation
from prk.amr import schedule, serial
from prk.amr.grid import Grid
from prk.stencil import loops
from prk.stencil import serial as stencil
from prk.team import Solo

from .._threads import team as threads
from .._threads.team import DONE, publish, wait, wait_for_all


class Whole(stencil.Kernel):
    """A whole grid, of which each thread has a piece."""

    def __init__(self, grid: Grid, options: Mapping[str, Any], team: threads.Team):
        self.team, self.mesh = team, grid.mesh
        one = schedule.mesh(grid.n, 1, 0, grid.radius)
        super().__init__(replace(grid, mesh=one), Solo(), options)

    def start(self) -> None:
        self.team.run(self.touch)
        super().start()

    def touch(self, thread: int) -> None:
        """Place the pages of this thread's piece near it."""
        tile = self.mesh.tile(thread)
        r0, r1, c0, c1 = self.indices((tile.rows, tile.cols))
        self.inp[r0:r1, c0:c1] = self.out[r0:r1, c0:c1] = 0

    def plan(self, thread: int) -> list[list[int]]:
        """Return a thread's box, what of it the stencil updates and nobody else reads, and its neighbours."""
        tile, r, (first, last) = self.mesh.tile(thread), self.problem.radius, self.problem.interior
        (top, bottom), (left, right) = tile.rows, tile.cols
        beside = [-1 if n is None else n for n in (tile.north, tile.south, tile.west, tile.east)]
        inner = (max(top, first), min(bottom, last)), (max(left, first), min(right, last))
        north, south, west, east = (r * (n >= 0) for n in beside)
        # What a thin piece's neighbours read may be all of it.
        rows, cols = (
            (a + before, max(a + before, b - after))
            for a, b, before, after in ((top, bottom, north, south), (left, right, west, east))
        )
        return [*(list(self.indices(box)) for box in ((tile.rows, tile.cols), inner, (rows, cols))), beside]


class Kernel(serial.Kernel):
    """All grids; the threads are the members."""

    pieces: Sequence[Whole]

    def setup(self) -> None:
        self.team = threads.team(self.options)
        super().setup()
        problem = self.problem
        plans = [[piece.plan(thread) for thread in range(self.team.size)] for piece in self.pieces]
        self.work = (
            tuple(piece.inp for piece in self.pieces),
            tuple(piece.out for piece in self.pieces),
            np.array(plans),
            np.array([feed.corner for feed in self.layout.feeds]) + problem.radius,
            (problem.period, problem.duration, problem.sub),
        )
        self.share = make_share(problem.radius, problem.expansion)

    def make(self, grid: Grid, number: int) -> Whole:
        return Whole(grid, self.options, self.team)

    def repeat(self, count: int) -> None:
        self.team.run(self.share, self.team.shared, *self.work, self.done, self.done + count)
        # What threads have to do is known; how long each one computes, compiled code has no clock for.
        for _ in range(count):
            self.done += 1
            self.look()

    @property
    def workers(self) -> Sequence[tuple[int, int | None]]:
        return [(thread, thread) for thread in range(self.team.size)]

    def close(self) -> None:
        super().close()
        self.team.close()


@functools.cache
def make_share(radius, scale):
    """Return the compiled work of one thread for one radius and one level of refinement."""
    radius, scale = int(radius), int(scale)

    @njit(cache=True, nogil=True)
    def share(thread, team, inps, outs, plans, corners, turns, first, last):
        """Run repetitions `first` to `last` - 1 on the pieces of one thread; return an error code.

        Before and after each interpolation all meet. In an update a thread publishes one more when it has
        read its neighbours' points, which these may then increment, and one more when it has incremented its
        own. A thread without a piece publishes both at once and goes on.
        """
        period, duration, sub = turns
        done = 0
        for repetition in range(first, last):
            number = repetition // period % 4
            if repetition % period == 0:
                publish(team, DONE + thread, done + 1)
                if wait_for_all(team, done + 1):
                    return -1
                r0, r1, c0, c1 = plans[number + 1, thread, 0]
                top, left = corners[number]
                box, point = (r0, r1, c0, c1), (r0 - radius, c0 - radius)
                interpolation.interpolate(inps[0], top, left, inps[number + 1], box, point, scale)
                publish(team, DONE + thread, done + 2)
                if wait_for_all(team, done + 2):
                    return -1
                done += 2
            updates = sub if repetition % period < duration else 0
            for k in range(updates + 1):
                grid = number + 1 if k < updates else 0
                own, inner, kept, beside = plans[grid, thread]
                inp, out = inps[grid], outs[grid]
                if own[0] < own[1]:
                    if wait_for_neighbours(team, beside, done):
                        return -1
                    r0, r1, c0, c1 = inner
                    i0, i1, j0, j1 = kept
                    if grid:
                        loops.sweep("star", radius, inp, out, r0, r1, c0, c1, i0, i1, j0, j1, scale)
                    else:
                        loops.sweep("star", radius, inp, out, r0, r1, c0, c1, i0, i1, j0, j1)
                    publish(team, DONE + thread, done + 1)
                    if wait_for_neighbours(team, beside, done + 1):
                        return -1
                    increment_rim(inp, own, kept)
                done += 2
                publish(team, DONE + thread, done)
        return 0

    return share


@njit(cache=True, nogil=True)
def wait_for_neighbours(team, beside, value):
    """Wait until each neighbour has published `value`; return 0, or -1 as `wait` does."""
    for other in beside:
        if other >= 0 and wait(team, DONE + other, value):
            return -1
    return 0


@njit(cache=True, nogil=True)
def increment_rim(inp, own, kept):
    """Add 1 to the points of a piece that are not in the kept box."""
    r0, r1, c0, c1 = own
    i0, i1, j0, j1 = kept
    loops.increment(inp, r0, i0, c0, c1)
    loops.increment(inp, i1, r1, c0, c1)
    loops.increment(inp, i0, i1, c0, j0)
    loops.increment(inp, i0, i1, j1, c1)
