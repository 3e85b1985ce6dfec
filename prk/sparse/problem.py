"""Sparse: result += M vector, M in blocks of rows, the vector replicated (PRK_SPEC, Sparse)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prk import decomposition
from prk.check import Box, Check, Field, Fields, Largest, Partial, max_or_nan, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.problem import Positional, Problem, Refusal, parameter
from prk.sparse.schedule import Lines, Pattern

# Of the grid's side: more would exceed the places of an address.
LARGEST = 20


@dataclass(frozen=True, kw_only=True)
class Sparse(Problem):
    """Side of the grid whose points are Sparse's rows, the star that a row has, and the columns' order."""

    title: ClassVar[str] = "sparse matrix-vector multiplication: result = result + M vector"
    positional: ClassVar[Positional] = ("iterations", "lsize", "radius")

    lsize: int = parameter(
        10,
        "the grid has 2^lsize x 2^lsize points",
        label="Log2 of the grid's side",
        size=True,
        exponent=True,
    )
    radius: int = parameter(4, "reach of the star in points", label="Stencil radius")
    scramble: str = parameter(
        "yes", "whether the columns are in bit-reversed order", ("yes", "no"), label="Scrambled columns"
    )

    @property
    def pattern(self) -> Pattern:
        return Pattern(self.lsize, self.radius, self.scramble == "yes")

    @property
    def order(self) -> int:
        """Return the rows of the matrix, and its columns."""
        return self.pattern.order

    @property
    def row_length(self) -> int:
        """Return the non-zeros of a row."""
        return self.pattern.row_length

    @property
    def index(self) -> np.dtype:
        """Return the type that says where a column's element is: unsigned, no index can be negative."""
        return np.dtype(np.uint32 if 2 * self.lsize < 32 else np.uint64)

    @property
    def work(self) -> int:
        return 2 * self.order * self.row_length

    def cost(self, size: int, repetition: int = 1) -> Cost:
        nonzeros = self.order * self.row_length
        # Of each row where it begins, and the result, read and written; the vector, updated, and read by
        # each member.
        rows, vector = 24 * self.order, (16 + 8 * size) * self.order
        tree = (size - 1).bit_length()
        return Cost(
            flop=self.work,
            bytes=(8 + self.index.itemsize) * nonzeros + rows + vector,
            messages=tree,
            message_bytes=8 * (self.order - self.order // size),
            chain=tree,
        )

    def most_threads(self, size: int) -> int:
        return self.order // size

    def span(self, rank: int, size: int) -> tuple[int, int]:
        """Return the half-open range of rows, and of the vector's elements, that `rank` owns."""
        return decomposition.block(self.order, size, rank)

    def lines(self, size: int) -> Lines:
        """Return how the vector lies in memory: a slice is made of whole lines."""
        bits = min(self.lsize, max(0, (self.order // size).bit_length() - 1))
        # In bit-reversed order a row's columns are powers of two apart, which share a few sets of the cache;
        # a line more spreads them (441 MFlop/s, not 319: lsize 11, radius 4, a busy machine).
        return Lines(bits, (1 << bits) + (8 if bits >= 7 else 0))

    def slice_bytes(self, size: int) -> int:
        """Return the bytes of a member's slice of the vector."""
        lines = self.lines(size)
        return 8 * lines.pitch * lines.number(self.order // size)

    def vector_bytes(self, size: int) -> int:
        """Return the bytes of the whole vector."""
        return size * self.slice_bytes(size)

    def memory(self, size: int) -> int:
        rows = self.order // size
        # The whole vector; of each row its non-zeros, where they begin, and the result.
        return self.vector_bytes(size) + rows * (self.row_length * (8 + self.index.itemsize) + 16)

    def memory_of_needed(self, size: int) -> int:
        """Return what a member allocates at most where only what is needed of the vector travels.

        That is of each element taken or given where it is, and a place in a message.
        """
        rows = self.order // size
        return 2 * min(rows * self.row_length, rows * (size - 1)) * (8 + self.index.itemsize)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if not 0 <= self.lsize <= LARGEST:
            raise Refusal("--lsize", f"there is no grid of side 2^{self.lsize}", f"use 0 to {LARGEST}")
        if self.radius < 0:
            raise Refusal("--radius", f"{self.radius} is negative", "use at least 0")
        side = 1 << self.lsize
        if 2 * self.radius + 1 > side:
            raise Refusal(
                "--radius",
                f"{self.radius} does not fit a grid of side {side}",
                f"use at most {(side - 1) // 2}, or --lsize {(2 * self.radius).bit_length()} or more",
            )
        if self.order % size:
            below = 1 << (size.bit_length() - 1)
            works = f"{below} or {2 * below}" if 2 * below <= self.order else f"at most {self.order}"
            raise Refusal(
                "the number of ranks",
                f"{self.order} rows (--lsize {self.lsize}) do not divide over {size}",
                f"use {works}",
            )

    def whole(self, size: int) -> Mapping[str, Whole]:
        side = 1 << self.lsize
        return {
            "vector": Whole((side, side)),
            "result": Whole((self.order,)),
            "matrix": Whole((self.order, self.row_length)),
        }

    def partial(self, parts: Fields) -> Partial:
        return {name: Largest(self._error(name, parts[name])) for name in ("result", "vector", "matrix")}

    def _error(self, name: str, box: Field) -> float:
        """Return the largest relative error of a member's part of a field."""
        assert isinstance(box, Box)
        first, worst = box.where[0].start, 0.0
        for chunk in rows_at_a_time(box.values):
            rows = np.arange(first + chunk.start, first + chunk.stop)
            if name == "result":
                answer = self.row_length * self.repetitions * (self.repetitions + 1) / 2
                errors = box.values[chunk] / answer - 1
            elif name == "vector":
                columns = self.numbered(rows, box.where[1])
                errors = box.values[chunk] / (self.repetitions * (columns + 1.0)) - 1
            else:
                errors = box.values[chunk] * (self.pattern.columns(rows) + 1.0) - 1
            worst = max_or_nan(worst, np.abs(errors))
        return worst

    def numbered(self, rows: np.ndarray, across: slice) -> np.ndarray:
        """Return the numbers of the elements in lines of the grid's side of the vector, a row a line."""
        return (rows[:, None] << self.lsize) + np.arange(across.start, across.stop)

    def check(self, found: Partial) -> list[Check]:
        return [
            Check(f"largest relative error of the {name}", found[name].value, self.tolerance(name))
            for name in ("result", "vector", "matrix")
        ]
