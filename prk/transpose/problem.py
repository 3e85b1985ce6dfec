"""Transpose: B(j,i) += A(i,j), then A += 1, both matrices in column blocks (PRK_SPEC, Transpose)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Box, Check, Fields, Partial, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import MBYTES, Metric
from prk.problem import Positional, Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class Transpose(Problem):
    """Matrix order and tile size of Transpose."""

    title: ClassVar[str] = "matrix transpose: B = A^T"
    positional: ClassVar[Positional] = ("iterations", "order", "tile")
    metrics: ClassVar[tuple[Metric, ...]] = (MBYTES,)

    order: int = parameter(1000, "order of the matrices", label="Matrix order", size=True)
    tile: int = parameter(32, "side of the square tiles of a local transpose; 0: untiled", label="Tile size")

    @property
    def work(self) -> int:
        return 16 * self.order**2

    def cost(self, size: int, repetition: int = 1) -> Cost:
        block = 8 * (self.order // size) ** 2
        # A and B are both read and written; the rate counts two words an element.
        return Cost(
            bytes=32 * self.order**2,
            messages=size - 1,
            message_bytes=(size - 1) * block,
            chain=min(1, size - 1),
        )

    def most_threads(self, size: int) -> int:
        return self.order // size

    @property
    def pitch(self) -> int:
        """The elements from a column to the next in memory."""
        # Columns a power of two of cache lines apart share a few sets of the cache; a line more spreads them:
        # 0.47 of Nstream's rate, not 0.37 (n = 8192).
        return self.order + 8 if self.order % 128 == 0 else self.order

    def columns(self, rank: int, size: int) -> tuple[int, int]:
        """Return the half-open range of columns that `rank` owns."""
        return decomposition.block(self.order, size, rank)

    def memory(self, size: int) -> int:
        width = self.order // size
        return 8 * (2 * width * self.pitch + (2 * width * width if size > 1 else 0))

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.order < size or self.order % size:
            below, above = self.order // size * size, (self.order // size + 1) * size
            works = f"{below} or {above}" if below else f"{above}"
            raise Refusal("--order", f"{self.order} does not divide over {size} ranks", f"use {works}")
        if self.tile < 0:
            raise Refusal("--tile", f"{self.tile} is negative", "use 32, or 0 for untiled")

    def whole(self, size: int) -> Mapping[str, Whole]:
        # A column is contiguous: the first index is the column.
        matrix = Whole((self.order, self.order))
        return {"A": matrix, "B": matrix}

    def partial(self, parts: Fields) -> Partial:
        # The fields' first index is the column, so that a column is contiguous.
        box, a = parts["B"], parts["A"].values
        assert isinstance(box, Box)
        (columns, rows), b = box
        n, added = self.order, self.repetitions * self.iterations / 2
        row = np.arange(rows.start, rows.stop)[None, :]
        sum_b = sum_a = 0.0
        for chunk in rows_at_a_time(b):
            column = np.arange(columns.start, columns.stop)[chunk][:, None]
            expected = (n * row + column) * float(self.repetitions) + added
            sum_b += float(np.abs(b[chunk] - expected).sum())
            sum_a += float(np.abs(a[chunk] - (row + n * column + self.repetitions)).sum())
        return {"B": sum_b, "A": sum_a}

    def check(self, found: Partial) -> list[Check]:
        return [Check(f"sum of the errors of {name}", found[name], self.tolerance(name)) for name in "BA"]
