"""Nstream: a[i] += b[i] + 3 c[i], the yardstick of memory bandwidth (not a STREAM result)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.problem import Check, Field, Problem, Refusal, max_or_nan, parameter, rows_at_a_time


@dataclass(frozen=True, kw_only=True)
class Nstream(Problem):
    """Vector length and repetitions of Nstream."""

    title: ClassVar[str] = "Nstream: a = a + b + 3 c"
    unit: ClassVar[str] = "MB/s"

    n: int = parameter(20_000_000, "vector length over all ranks", label="Vector length")

    @property
    def work(self) -> int:
        return 32 * self.n

    @property
    def traffic(self) -> int:
        return self.work

    def span(self, rank: int, size: int) -> tuple[int, int]:
        """Return the half-open range of elements that `rank` owns."""
        return decomposition.block(self.n, size, rank)

    def memory(self, size: int) -> int:
        start, stop = self.span(0, size)
        return 3 * 8 * (stop - start)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.n < size:
            raise Refusal("--n", f"{self.n} elements do not reach {size} ranks", f"use at least {size}")

    def partial(self, parts: Mapping[str, Field]) -> tuple[float, ...]:
        _, a = parts["a"]
        answer = 8.0 * self.repetitions
        worst = 0.0
        for rows in rows_at_a_time(a):
            worst = max_or_nan(worst, np.abs(a[rows] - answer))
        return (worst,)

    def check(self, partials: Iterable[tuple[float, ...]]) -> list[Check]:
        worst = np.max([p[0] for p in partials]) / (8.0 * self.repetitions)
        return [Check("largest relative error of a", float(worst), 1e-8)]
