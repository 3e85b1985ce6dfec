"""DGEMM: C += A B, three square matrices in blocks over a grid of ranks (PRK_SPEC, DGEMM)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Box, Check, Field, Fields, Largest, Partial, max_or_nan, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.dgemm import schedule
from prk.dgemm.schedule import Line
from prk.problem import Positional, Problem, Refusal, parameter


@dataclass(frozen=True, kw_only=True)
class Dgemm(Problem):
    """Order of the matrices of DGEMM, width of its panels, and who multiplies them."""

    title: ClassVar[str] = "dense matrix multiplication: C = C + A B"
    # The last word says whether the C program's own loops are blocked.
    positional: ClassVar[Positional] = ("iterations", "order", "block", ("0", "1"))

    order: int = parameter(1000, "order of the matrices", label="Matrix order", size=True)
    # An update of C by 128 columns ran at 0.95 of the whole product's rate, by 160 at 0.97, by 32 at 0.75.
    block: int = parameter(160, "columns of A and rows of B in a panel", label="Outer block size")
    local: str = parameter(
        "blas",
        "who multiplies: NumPy's BLAS, on one thread unless OPENBLAS_NUM_THREADS says more, or our loops",
        ("blas", "loops"),
        label="Local product",
        compiled=True,
    )

    @property
    def work(self) -> int:
        return 2 * self.order**3

    def cost(self, size: int, repetition: int = 1) -> Cost:
        rows, columns = schedule.grid(size)
        height, width = self.shape(0, size)
        # The rank with the largest block takes in, or passes on, all panels but its own.
        others = sum(len(line.of_others()) for line in self.lines(0, size))
        moved = height * (self.order - width) * (columns > 1) + width * (self.order - height) * (rows > 1)
        return Cost(
            flop=self.work,
            # Kept in cache as well as can be, the matrices are read once, and C is written.
            bytes=32 * self.order**2,
            messages=others,
            message_bytes=8 * moved,
            chain=min(1, size - 1),
        )

    def most_threads(self, size: int) -> int:
        return self.order // schedule.grid(size)[0]

    def lines(self, rank: int, size: int, group: int = 1) -> tuple[Line, Line]:
        """Return the ways of A's and of B's panels that `rank` takes part in."""
        return schedule.lines(self.order, size, rank, self.block, group)

    def ranges(self, rank: int, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the half-open ranges of rows and of columns of the block that `rank` owns."""
        rows, columns = schedule.grid(size)
        row, column = divmod(rank, columns)
        return decomposition.block(self.order, rows, row), decomposition.block(self.order, columns, column)

    def shape(self, rank: int, size: int) -> tuple[int, int]:
        """Return the rows and columns of the block that `rank` owns."""
        (top, bottom), (left, right) = self.ranges(rank, size)
        return bottom - top, right - left

    def landing(self, size: int) -> tuple[int, int]:
        """Return the most elements of a panel of A and of one of B that a rank takes in."""
        rows, columns = schedule.grid(size)
        height, width = self.shape(0, size)
        deep = min(self.block, height, width)
        return deep * height * (columns > 1), deep * width * (rows > 1)

    def memory(self, size: int) -> int:
        return 3 * self.memory_of_block(size) + 2 * 8 * sum(self.landing(size))

    def memory_of_block(self, size: int) -> int:
        """Return the bytes of the largest block of a matrix."""
        height, width = self.shape(0, size)
        return 8 * height * width

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.order < size:
            raise Refusal("--order", f"{self.order} is less than the {size} ranks", f"use at least {size}")
        if self.block < 1:
            raise Refusal("--block", f"{self.block} is too small", "use at least 1")

    def whole(self, size: int) -> Mapping[str, Whole]:
        return dict.fromkeys("ABC", Whole((self.order, self.order)))

    def partial(self, parts: Fields) -> Partial:
        return {name: Largest(self._error(name, parts[name])) for name in "ABC"}

    def _error(self, name: str, box: Field) -> float:
        """Return the largest relative error of a member's block, whose rows are alike."""
        assert isinstance(box, Box)
        (_, columns), values = box
        expected = np.arange(columns.start, columns.stop, dtype=np.float64)
        if name == "C":
            expected *= self.repetitions * float(self.order * (self.order - 1) // 2)
        worst, scale = 0.0, np.maximum(expected, 1.0)
        for chunk in rows_at_a_time(values):
            worst = max_or_nan(worst, np.abs(values[chunk] - expected) / scale)
        return worst

    def check(self, found: Partial) -> list[Check]:
        name = "largest relative error of"
        return [Check(f"{name} {n}", found[n].value, self.tolerance(n)) for n in "CAB"]
