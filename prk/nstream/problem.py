"""Nstream: a[i] += b[i] + 3 c[i], the yardstick of memory bandwidth (not a STREAM result)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Check, Fields, Largest, Partial
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import MBYTES, Metric
from prk.problem import Positional, Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class Nstream(Problem):
    """Vector length and repetitions of Nstream."""

    title: ClassVar[str] = "Nstream: a = a + b + 3 c"
    positional: ClassVar[Positional] = ("iterations", "n", ("0",))
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

    def whole(self, size: int) -> Mapping[str, Whole]:
        return dict.fromkeys("abc", Whole((self.n,)))

    def partial(self, parts: Fields) -> Partial:
        return {name: Largest(self._error(name, parts[name].values)) for name in "abc"}

    def _error(self, name: str, vector: np.ndarray) -> float:
        """Return the largest relative error of a vector, which holds one value everywhere."""
        answer = 8.0 * self.repetitions if name == "a" else 2.0
        # A NaN anywhere is both. No element where a thread or a member has nothing.
        ends = [vector.min(initial=answer), vector.max(initial=answer)]
        return float(np.abs(np.array(ends) - answer).max()) / answer

    def check(self, found: Partial) -> list[Check]:
        name = "largest relative error of"
        return [Check(f"{name} {n}", found[n].value, self.tolerance(n)) for n in "abc"]
