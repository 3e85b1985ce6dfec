"""Nstream: a[i] += b[i] + 3 c[i], the yardstick of memory bandwidth (not a STREAM result)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Check, Fields, Largest, Partial, max_or_nan, rows_at_a_time
from prk.cost import Cost
from prk.metric import MBYTES, Metric
from prk.problem import Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class Nstream(Problem):
    """Vector length and repetitions of Nstream."""

    title: ClassVar[str] = "Nstream: a = a + b + 3 c"
    metrics: ClassVar[tuple[Metric, ...]] = (MBYTES,)

    n: int = parameter(20_000_000, "vector length over all ranks", label="Vector length", size=True)

    @property
    def work(self) -> int:
        return 32 * self.n

    def cost(self, size: int, repetition: int = 1) -> Cost:
        # a is read and written, b and c are read.
        return Cost(bytes=self.work)

    def most_threads(self, size: int) -> int:
        return self.n // size

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

    def partial(self, parts: Fields) -> Partial:
        a = parts["a"].values
        answer = 8.0 * self.repetitions
        worst = 0.0
        for rows in rows_at_a_time(a):
            worst = max_or_nan(worst, np.abs(a[rows] - answer))
        return {"worst": Largest(worst)}

    def check(self, found: Partial) -> list[Check]:
        worst = found["worst"].value / (8.0 * self.repetitions)
        return [Check("largest relative error of a", worst, self.tolerance("a"))]
