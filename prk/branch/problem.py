"""Branch: one loop with branches and without, of four types (PRK_SPEC, Branch)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, ClassVar

import numpy as np

from prk.check import Box, Check, Fields, Partial, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.problem import Measured, Positional, Problem, Refusal, parameter

MOPS = Metric("rate", "Mops/s", 1e6, figure_unit="Gop/s", figure_scale=1e3)
TYPES = ("vector_go", "vector_stop", "no_vector", "ins_heavy")
# The largest order of a generated function's matrix, and the most functions: all are compiled into one loop.
LARGEST_MATRIX, MOST_FUNCTIONS = 10, 100


@dataclass(frozen=True, kw_only=True)
class Branch(Problem):
    """Loop length and type of Branch; both loops are cases of a run, whose rate is that with branches.

    A repetition is one pass through the loop, in which every element changes its sign.
    """

    title: ClassVar[str] = "Branch: a loop with branches, and without"
    positional: ClassVar[Positional] = ("iterations", "n", "type")
    # What a pass does the next one undoes.
    multiple: ClassVar[int] = 2
    metrics: ClassVar[tuple[Metric, ...]] = (MOPS,)
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "branches": ("branches", ""),
        "rate": ("rate (Mops/s)", ".1f"),
        "time": ("time (us)", ".2f"),
    }

    n: int = parameter(100_000, "loop length of each member", label="Loop length", size=True)
    type: str = parameter("vector_go", "kind of branches", TYPES, label="Branching type", compiled=True)
    branches: str = parameter(
        "both", "with branches, without, or one after the other", ("both", "yes", "no"), label="Branches"
    )
    functions: int = parameter(8, "generated functions of ins_heavy", label="Generated functions")
    matrix: int = parameter(4, "order of their matrices", label="Order of their matrices")

    @property
    def work(self) -> int:
        each = self.matrix * (19 * self.matrix + 6) if self.type == "ins_heavy" else 4
        return each * self.n

    def work_of(self, size: int) -> int:
        return size * self.work

    def cases(self, size: int, number: int) -> "Sequence[Branch]":
        """Return the loop without branches and the one with them, as far as they are asked for."""
        several = ("no", "yes") if self.branches == "both" else (self.branches,)
        return [replace(self, branches=one) for one in several]

    def cost(self, size: int, repetition: int = 1) -> Cost:
        # Integers in cache: nothing that is measured bounds them.
        return Cost()

    def memory(self, size: int) -> int:
        return 8 * self.n

    def refuse(self, size: int) -> None:
        super().refuse(size)
        limits = {"n": 2**31 - 1, "functions": MOST_FUNCTIONS, "matrix": LARGEST_MATRIX}
        for name, most in limits.items():
            value = getattr(self, name)
            if not 1 <= value <= most:
                small = value < 1
                what, works = ("small", "at least 1") if small else ("large", f"at most {most}")
                raise Refusal(f"--{name}", f"{value} is too {what}", f"use {works}")

    def tolerance(self, name: str) -> float:
        return 0.0

    def start(self, first: int, last: int) -> np.ndarray:
        """Return elements [first, last) of every member's vector as they are at first."""
        return (3 - (np.arange(first, last) & 7)).astype(np.int32)

    def whole(self, size: int) -> Mapping[str, Whole]:
        return {"v": Whole((size, self.n), "int32")}

    def partial(self, parts: Fields) -> Partial:
        box = parts["v"]
        assert isinstance(box, Box)
        sign, wrong = 1 - 2 * (self.repetitions % 2), 0
        for row in box.values:
            for chunk in rows_at_a_time(row):
                right = sign * self.start(chunk.start, chunk.stop)
                wrong += int(np.count_nonzero(row[chunk] != right))
        return {"wrong": wrong}

    def check(self, found: Partial) -> list[Check]:
        how = "with" if self.branches == "yes" else "without"
        return [Check(f"wrong elements {how} branches", float(found["wrong"]), 0.0)]

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        rows = []
        for cases in zip(*repeats, strict=True):
            problem, seconds = cases[0].problem, median(case.seconds for case in cases)
            valid = all(case.valid for case in cases)
            rate = MOPS.of(problem.work_of(size), seconds) if valid else None
            rows.append({"branches": problem.branches, "rate": rate, "time": seconds * 1e6})
        return rows
