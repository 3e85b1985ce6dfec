"""Stencil: out += sum of w * in over a star or a square, then in += 1 (PRK_SPEC, Stencil)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.decomposition import Tile
from prk.problem import Check, Field, Problem, Refusal, max_or_nan, parameter, rows_at_a_time


@dataclass(frozen=True, kw_only=True)
class Stencil(Problem):
    """Grid size, stencil shape and number type of Stencil."""

    title: ClassVar[str] = "stencil execution on 2D grid"

    n: int = parameter(1000, "the grid has n x n points", label="Grid size")
    radius: int = parameter(4, "reach of the stencil in points", label="Radius of stencil")
    pattern: str = parameter("star", "shape of the stencil", ("star", "compact"), label="Type of stencil")
    dtype: str = parameter("float64", "number type of the grid", ("float64", "float32"), label="Data type")

    @property
    def points(self) -> int:
        """Return S, the nominal number of points of the stencil."""
        return 4 * self.radius + 1 if self.pattern == "star" else (2 * self.radius + 1) ** 2

    @property
    def interior(self) -> tuple[int, int]:
        """Return the half-open range of rows (and of columns) that the stencil updates."""
        return self.radius, self.n - self.radius

    @property
    def work(self) -> int:
        return (2 * self.points + 1) * (self.n - 2 * self.radius) ** 2

    @property
    def traffic(self) -> int:
        # Fused, a sweep reads and writes every point of in and of out once.
        return 4 * np.dtype(self.dtype).itemsize * self.n**2

    def tile(self, rank: int, size: int) -> Tile:
        return decomposition.tile(self.n, self.n, size, rank)

    def memory(self, size: int) -> int:
        height, width = self.tile(0, size).shape
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
        if self.n**2 < size:
            raise Refusal("--n", f"{self.n} x {self.n} points do not reach {size} ranks", "use fewer ranks")

    def partial(self, parts: Mapping[str, Field]) -> tuple[float, ...]:
        (rows, cols), out = parts["out"]
        inp = parts["in"][1]
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
        return sum_out, sum_in, worst_out, worst_in

    def check(self, partials: Iterable[tuple[float, ...]]) -> list[Check]:
        table = np.array(list(partials))
        answer = 2.0 * self.repetitions
        tolerance = 1e-8 if self.dtype == "float64" else 1e-4
        mean_out = table[:, 0].sum() / (self.n - 2 * self.radius) ** 2
        mean_in = table[:, 1].sum() / self.n**2
        # One point's rounding: terms as large as 2n + K, in each of K repetitions. A halo stale by one
        # repetition is off by more than 0.1 at its nearest points, and cancels out of the mean.
        rounding = float(np.finfo(self.dtype).eps) * (2 * self.n + self.repetitions) * self.repetitions
        return [
            Check("relative error of mean |out|", float(abs(mean_out - answer) / answer), tolerance),
            Check("error of mean in", float(abs(mean_in - (self.n - 1) - self.repetitions)), tolerance),
            Check("largest error of out", float(table[:, 2].max()), max(rounding, tolerance)),
            Check("largest error of in", float(table[:, 3].max()), tolerance),
        ]

    def smallest(self) -> list[Problem]:
        small = replace(self, n=8 * self.radius, iterations=1)
        return [
            replace(small, pattern=p, dtype=d) for p in ("star", "compact") for d in ("float64", "float32")
        ]
