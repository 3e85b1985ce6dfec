"""Synch_p2p: A(i,j) = A(i-1,j) + A(i,j-1) - A(i-1,j-1), line after line (PRK_SPEC, Synch_p2p)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Box, Check, Fields, Largest, Partial, max_or_nan, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.problem import Positional, Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class SynchP2P(Problem):
    """Grid of m x n points (m distributed, n lines) and the lines a message."""

    title: ClassVar[str] = "pipeline execution on 2D grid"
    positional: ClassVar[Positional] = ("iterations", "m", "n")

    m: int = parameter(1000, "points a line; this dimension is distributed", label="Points a line", size=True)
    n: int = parameter(1000, "lines of the grid", label="Lines", size=True)
    group: int = parameter(1, "lines a message; more than 1 is non-conforming", label="Lines a message")

    @property
    def conforming(self) -> bool:
        return self.group == 1

    @property
    def work(self) -> int:
        return 2 * (self.m - 1) * (self.n - 1)

    def cost(self, size: int, repetition: int = 1) -> Cost:
        # The last member sends only the corner; every other one a point of each line that is computed.
        sent = self.n - 1 if size > 1 else 0
        return Cost(
            flop=self.work,
            # Every point is read and written; its predecessors are still in cache.
            bytes=16 * self.m * self.n,
            messages=-(-sent // self.group),
            message_bytes=8 * sent,
            # A line passes through all members, and the corner goes back to the first one.
            chain=size if size > 1 else 0,
        )

    def most_threads(self, size: int) -> int:
        return self.m // size

    @property
    def corner(self) -> float:
        """Return A(m-1, n-1) after the last repetition."""
        return float(self.repetitions * (self.m + self.n - 2))

    def strip(self, rank: int, size: int) -> tuple[int, int]:
        """Return the half-open range of the first dimension that `rank` owns."""
        return decomposition.block(self.m, size, rank)

    def memory(self, size: int) -> int:
        start, stop = self.strip(0, size)
        return 8 * self.n * (stop - start + 1)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        for name, value in (("--m", self.m), ("--n", self.n)):
            if value < 2:
                raise Refusal(name, f"{value} is too small", "use at least 2")
        if self.m <= size:
            raise Refusal("--m", f"{self.m} is too small for {size} ranks", f"use at least {size + 1}")
        if self.group < 1:
            raise Refusal("--group", f"{self.group} is too small", "use 1, or more for a non-conforming run")

    def whole(self, size: int) -> Mapping[str, Whole]:
        return {"A": Whole((self.n, self.m))}

    def partial(self, parts: Fields) -> Partial:
        box = parts["A"]
        assert isinstance(box, Box)
        (lines, points), a = box
        # The last sweep started from A(0,0) = -(its predecessor's corner), which shifts every inner point.
        shift = self.corner - (self.m + self.n - 2)
        i = np.arange(points.start, points.stop)
        worst = 0.0
        for chunk in rows_at_a_time(a):
            j = np.arange(lines.start, lines.stop)[chunk][:, None]
            expected = i + j + np.where((i > 0) & (j > 0), shift, 0.0)
            expected[(i == 0) & (j == 0)] = -self.corner
            worst = max_or_nan(worst, np.abs(a[chunk] - expected))
        last = lines.stop == self.n and points.stop == self.m
        corner = a[-1, -1] if last else self.corner
        return {"worst": Largest(worst), "corner": Largest(float(abs(corner - self.corner)))}

    def check(self, found: Partial) -> list[Check]:
        worst, corner = (found[name].value / self.corner for name in ("worst", "corner"))
        return [
            Check("relative error of the corner", corner, self.tolerance("A")),
            Check("largest relative error", worst, self.tolerance("A")),
        ]
