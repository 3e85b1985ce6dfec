"""AMR in tasks: Dask's scheduler says where each update of a band of a refinement runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from distributed import Future, get_client, get_worker, wait

from prk import decomposition
from prk.amr import loops, schedule
from prk.amr.problem import REFINEMENTS
from prk.check import Box, Fields
from prk.stencil.loops import make_sweep

from .._tagged import amr


class Tasks(amr.Kernel):
    """One worker's tile of the background; the first member has tasks do what the refinements need.

    A refinement is cut into bands of rows, several a worker, each of them a future of its input and output.
    Whatever a task returns is new: nothing that Dask holds may change.
    """

    def setup(self) -> None:
        self.client, self.done, problem = get_client(), 0, self.problem
        self.comm.repetitions += 1
        self.run, size = self.comm.repetitions, self.comm.size
        self.background = self.make(problem.grids(size)[0], 0)
        self.pieces = [self.background]
        self.each = self.options["bands"]
        self.rows = [decomposition.block(problem.fine, size * self.each, b) for b in range(size * self.each)]
        first, last = self.mine()
        zero = np.zeros((last - first, problem.fine))
        self.scatter({f"{name} {g}": zero for g in REFINEMENTS for name in ("in", "out")})

    def mine(self) -> tuple[int, int]:
        """Return the rows of a refinement that are this member's when repetitions are over."""
        start = self.comm.rank * self.each
        return self.rows[start][0], self.rows[start + self.each - 1][1]

    def scatter(self, state: Mapping[str, np.ndarray]) -> None:
        """Give Dask this member's bands of all refinements. Collective."""
        first, _ = self.mine()
        spans = self.rows[self.comm.rank * self.each :][: self.each]

        def band(number: int, start: int, stop: int) -> Future:
            fields = (state[f"{name} {number}"] for name in ("in", "out"))
            return self.put(tuple(np.array(field[start - first : stop - first]) for field in fields))

        held = [[band(number, *span) for span in spans] for number in REFINEMENTS]
        gathered = self.comm.gather([[one.key for one in bands] for bands in held])
        self.bands: list[list[Future]] = []
        if gathered:
            # Of each refinement a future a band, in their order; only the first member submits tasks.
            self.bands = [[self.named(key) for one in gathered for key in one[g]] for g in REFINEMENTS]
            wait([band for bands in self.bands for band in bands])
        # Until then a member holds what it gave.
        self.comm.barrier()
        self.shares: dict[str, np.ndarray] = {}

    def put(self, data: Any) -> Future:
        """Give Dask some data, on this worker."""
        return self.client.scatter([data], workers=[get_worker().address], hash=False)[0]

    def named(self, key: Any, workers: list[str] | None = None) -> Future:
        """Return a future of another member's data, or task's result, that is this member's own."""
        return self.client.submit(same, Future(key, self.client), workers=workers, pure=False)

    def step(self) -> None:
        problem, repetition = self.problem, self.done
        number = problem.living(repetition)
        self.done += 1
        self.background.exchange()
        if problem.begins(repetition):
            self.interpolate(number)
        if problem.lives(repetition) and self.bands:
            for _ in range(problem.sub):
                self.update(number)
        self.background.update()

    def interpolate(self, number: int) -> None:
        problem, tile = self.problem, self.background.tile
        corner, side = schedule.corners(problem.n, problem.refinement)[number], problem.refinement
        region = (corner[0], corner[0] + side), (corner[1], corner[1] + side)
        box = decomposition.overlap(region, (tile.rows, tile.cols))
        part = self.put(self.having(box).copy()) if box else None
        parts = self.comm.gather((box, part.key) if part else None)
        if parts:
            # No more tasks wait than one refinement's.
            wait([band for bands in self.bands for band in bands])
            boxes, given = zip(*((p[0], Future(p[1], self.client)) for p in parts if p), strict=True)
            for b, rows in enumerate(self.rows):
                about = corner, side, problem.expansion, rows, boxes
                self.bands[number][b] = self.client.submit(
                    interpolated, about, self.bands[number][b], *given, pure=False
                )
        self.comm.barrier()
        # What was held before, no task needs any more.
        self.held = part

    def update(self, number: int) -> None:
        """Submit the tasks of one update of a refinement."""
        bands, r = self.bands[number], self.problem.radius
        tops, bottoms = (
            [self.client.submit(edge, band, rows, pure=False) for band in bands]
            for rows in (slice(0, r), slice(-r, None))
        )
        about = self.problem.fine, r, self.problem.expansion
        self.bands[number] = [
            self.client.submit(
                updated, *about, rows, band,
                bottoms[b - 1] if b else None, tops[b + 1] if b + 1 < len(bands) else None, pure=False,
            )
            for b, (rows, band) in enumerate(zip(self.rows, bands, strict=True))
        ]  # fmt: skip

    def repeat(self, count: int) -> None:
        self.shares.clear()
        super().repeat(count)
        wait([band for bands in self.bands for band in bands])
        self.comm.barrier()

    def fields(self) -> Fields:
        if not self.shares:
            every = self.comm.bcast([[band.key for band in bands] for bands in self.bands])
            first, home = self.comm.rank * self.each, [get_worker().address]
            for g in REFINEMENTS:
                keys = every[g][first : first + self.each]
                held = self.client.gather([self.named(key, home) for key in keys])
                for name, part in zip(("in", "out"), zip(*held, strict=True), strict=True):
                    self.shares[f"{name} {g}"] = np.concatenate(part)
            # The first member holds them until then.
            self.comm.barrier()
        where = slice(*self.mine()), slice(0, self.problem.fine)
        return {
            **self.background.fields(),
            **{name: Box(where, values) for name, values in self.shares.items()},
        }

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        for name, field in self.background.fields().items():
            field.values[...] = state[name]
        self.scatter(state)
        self.done = int(state["begun"]) if "begun" in state else repetition

    def close(self) -> None:
        super().close()
        self.bands = []


def same(data: Any) -> Any:
    """Return what is given."""
    return data


def interpolated(about: tuple, band: Any, *parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a band with an input that is interpolated from parts of the background."""
    corner, side, expansion, (start, stop), boxes = about
    coarse = np.empty((side, side))
    for ((r0, r1), (c0, c1)), part in zip(boxes, parts, strict=True):
        coarse[r0 - corner[0] : r1 - corner[0], c0 - corner[1] : c1 - corner[1]] = part
    inp = np.empty_like(band[0])
    box = (0, stop - start, 0, inp.shape[1])
    loops.interpolate(coarse, 0, 0, inp, box, (start, 0), expansion)
    return inp, band[1]


def edge(band: Sequence[np.ndarray], rows: slice) -> np.ndarray:
    """Return rows of a band's input."""
    return band[0][rows]


def updated(
    n: int, radius: int, expansion: int, rows: tuple[int, int], band: Any, above: Any, below: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return a band after an update, between the rows that are above and below it."""
    (start, stop), height = rows, rows[1] - rows[0]
    inp, out = (np.zeros((height + 2 * radius, n)) for _ in range(2))
    inp[radius : radius + height], out[radius : radius + height] = band
    if above is not None:
        inp[:radius] = above
    if below is not None:
        inp[radius + height :] = below
    first, last = max(start, radius) - start + radius, min(stop, n - radius) - start + radius
    own = radius, radius + height, 0, n
    make_sweep("star", radius, expansion)(inp, out, first, last, radius, n - radius, *own)
    return inp[radius : radius + height], out[radius : radius + height]
