"""Stencil: out += sum of w * in over a star or a square, then in += 1 (PRK_SPEC, Stencil)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Box, Check, Fields, Largest, Partial, max_or_nan, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.decomposition import Tile
from prk.problem import Positional, Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class Stencil(Problem):
    """Grid size, stencil shape and number type of Stencil."""

    title: ClassVar[str] = "stencil execution on 2D grid"
    positional: ClassVar[Positional] = ("iterations", "n")
    relative: ClassVar[bool] = True

    n: int = parameter(1000, "the grid has n x n points", label="Grid size", size=True)
    radius: int = parameter(4, "reach of the stencil in points", label="Radius of stencil")
    pattern: str = parameter(
        "star", "shape of the stencil", ("star", "compact"), label="Type of stencil", compiled=True
    )
    dtype: str = parameter(
        "float64", "number type of the grid", ("float64", "float32"), label="Data type", compiled=True
    )

    @property
    def points(self) -> int:
        """Return S, the nominal number of points of the stencil."""
        return 4 * self.radius + 1 if self.pattern == "star" else (2 * self.radius + 1) ** 2

    @property
    def scale(self) -> int:
        """Return what multiplies the weights: 1, but on a grid that is finer than another one."""
        return 1

    @property
    def interior(self) -> tuple[int, int]:
        """Return the half-open range of rows (and of columns) that the stencil updates."""
        return self.radius, self.n - self.radius

    @property
    def work(self) -> int:
        return (2 * self.points + 1) * (self.n - 2 * self.radius) ** 2

    def cost(self, size: int, repetition: int = 1) -> Cost:
        tile = self.tile(self.busiest(size), size)
        height, width = tile.shape
        beside = (tile.west is not None) + (tile.east is not None)
        above = (tile.north is not None) + (tile.south is not None)
        # What goes to the west and east of a compact stencil carries the corners along.
        corners = above * self.radius if self.pattern == "compact" else 0
        edges = above * width + beside * (height + corners)
        itemsize = np.dtype(self.dtype).itemsize
        return Cost(
            flop=self.work,
            # Fused, a sweep reads and writes every point of in and of out once.
            bytes=4 * itemsize * self.n**2,
            messages=beside + above,
            message_bytes=self.radius * edges * itemsize,
            chain=min(1, size - 1),
        )

    def most_threads(self, size: int) -> int:
        # A thread's band of rows is no thinner than the radius.
        return self.n // decomposition.grid(size)[1] // self.radius

    @property
    def rounding(self) -> float:
        """Return a bound of one point's rounding: terms as large as 2n + K, in each of K repetitions."""
        return float(np.finfo(self.dtype).eps) * (2 * self.n + self.repetitions) * self.repetitions

    @property
    def lost(self) -> float:
        """Return the error that one lost halo leaves at the points beside it, the largest that it leaves."""
        return sum(1 / k for k in range(1, self.radius + 1)) / (2 * self.radius)

    def tolerance(self, name: str) -> float:
        return 1e-8 if self.dtype == "float64" else 1e-4

    def tile(self, rank: int, size: int) -> Tile:
        return decomposition.tile(self.n, self.n, size, rank)

    def busiest(self, size: int) -> int:
        """Return the rank with the largest of the tiles with the most neighbours."""
        px, py = decomposition.grid(size)
        # The first one, or the first one inside.
        return (px > 2) + (py > 2) * px

    def largest_tile(self, size: int) -> tuple[int, int]:
        """Return the shape of the largest tile."""
        return self.tile(0, size).shape

    def memory(self, size: int) -> int:
        height, width = self.largest_tile(size)
        framed = (height + 2 * self.radius) * (width + 2 * self.radius)
        halos = 4 * self.radius * (height + width + 2 * self.radius)
        return (2 * framed + halos) * np.dtype(self.dtype).itemsize

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.radius < 1:
            raise Refusal("--radius", f"{self.radius} is too small", "use at least 1")
        if 2 * self.radius + 1 > self.n:
            raise Refusal(
                "--radius",
                f"{self.radius} does not fit a grid of {self.n} x {self.n}",
                f"use --n {2 * self.radius + 1} or more",
            )
        for cut, axis in zip(decomposition.grid(size), ("columns", "rows"), strict=True):
            if cut > 1 and self.n // cut < self.radius:
                raise Refusal(
                    "--n",
                    f"{self.n} gives {size} ranks tiles of {self.n // cut} {axis}, less than the radius",
                    f"use --n {cut * self.radius} or more, or fewer ranks",
                )
        if self.rounding > self.lost / 2:
            works = "float64, or fewer iterations" if self.dtype == "float32" else "fewer iterations"
            raise Refusal(
                "--dtype",
                f"{self.dtype} rounds by up to {self.rounding:.2g} here, which could hide a lost halo",
                f"use {works}",
            )
        if self.n**2 < size:
            raise Refusal("--n", f"{self.n} x {self.n} points do not reach {size} ranks", "use fewer ranks")

    def whole(self, size: int) -> Mapping[str, Whole]:
        grid = Whole((self.n, self.n), self.dtype)
        return {"in": grid, "out": grid}

    def partial(self, parts: Fields) -> Partial:
        box, inp = parts["out"], parts["in"].values
        assert isinstance(box, Box)
        (rows, cols), out = box
        first, last = self.interior
        inner_cols = slice(max(first - cols.start, 0), max(last - cols.start, 0))
        column = np.arange(cols.start, cols.stop)
        answer = 2.0 * self.repetitions
        sum_out = sum_in = worst_out = worst_in = 0.0
        for chunk in rows_at_a_time(out):
            row = np.arange(rows.start, rows.stop)[chunk]
            expected = np.zeros(out[chunk].shape)
            expected[(first <= row) & (row < last), inner_cols] = answer
            sum_out += float(np.abs(out[chunk]).sum(dtype=np.float64))
            worst_out = max_or_nan(worst_out, np.abs(out[chunk] - expected))
            expected = row[:, None] + (column + float(self.repetitions))
            sum_in += float(inp[chunk].sum(dtype=np.float64))
            worst_in = max_or_nan(worst_in, np.abs(inp[chunk] - expected))
        return {
            "sum of out": sum_out,
            "sum of in": sum_in,
            "out": Largest(worst_out),
            "in": Largest(worst_in),
        }

    def check(self, found: Partial) -> list[Check]:
        answer = 2.0 * self.repetitions
        mean_out = found["sum of out"] / (self.n - 2 * self.radius) ** 2
        mean_in = found["sum of in"] / self.n**2
        # A halo stale by one repetition cancels out of the mean, but shows in the largest error.
        rounding = self.rounding
        out, inp = self.tolerance("out"), self.tolerance("in")
        # The mean's: to nearest, a sum is off by a quarter of its last place on average.
        mean = max(out, rounding / 4 / answer)
        return [
            Check("relative error of mean |out|", abs(mean_out - answer) / answer, mean),
            Check("error of mean in", abs(mean_in - (self.n - 1) - self.repetitions), inp),
            Check("largest error of out", found["out"].value, max(rounding, out)),
            Check("largest error of in", found["in"].value, inp),
        ]
