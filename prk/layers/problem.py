"""Layers: which operators, in which shapes and direction; data of its own for every member."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, ClassVar

import numpy as np

from prk.check import Box, Check, Fields, Largest, Partial
from prk.cost import Cost
from prk.coverage import Whole
from prk.layers import lines
from prk.layers.lines import Line
from prk.layers.operators import Shapes, elements, operators
from prk.metric import MBYTES, Metric
from prk.problem import Measured, Problem, Refusal, parameter

ARITHMETIC = Metric("arithmetic", "MFlops/s", 1e6, figure_unit="GFlop/s", figure_scale=1e3)
ALL = "all"
# Bytes of a number, and the error that a right result may have, relative to its largest number: what is given
# is exact in either type, sums are single precision, and bfloat16 rounds the result to 8 bits, an LSTM or GRU
# its state in every step.
TYPES = {"float32": 4, "bfloat16": 2}
TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2}


@dataclass(frozen=True, kw_only=True)
class Layers(Problem):
    """Operators, shapes, direction and type of a run; every shape is a case.

    Bytes are those of what goes in and what comes out, each once.
    """

    title: ClassVar[str] = "Layers: operators of networks"
    metrics: ClassVar[tuple[Metric, ...]] = (MBYTES, ARITHMETIC)
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "layer": ("layer", ""),
        "time": ("time (us)", ".2f"),
        "arithmetic": ("GFlop/s", ".2f"),
        "bandwidth": ("GB/s", ".2f"),
        "intensity": ("flop/byte", ".3f"),
        "flop": ("flop", ".4g"),
        "bytes": ("bytes", ".4g"),
    }

    operator: str = parameter(ALL, "of which operator", (ALL, *operators()), label="Operator", compiled=True)
    shapes: str = parameter("quick", "file with a shape a line, or a shipped one's name", label="Shapes")
    shape: str = parameter("", "one shape instead, as 'gemm m=512 n=512 k=512'", label="Shape")
    scale: int = parameter(1, "times as large an n as a line states", label="Scale of n", size=True)
    direction: str = parameter("forward", "which way", ("forward", "backward"), label="Direction")
    dtype: str = parameter("float32", "type of the numbers", tuple(TYPES), label="Type")
    seed: int = parameter(1, "of the numbers", label="Seed")

    @property
    def lines(self) -> list[Line]:
        """Return the lines asked for. Raises Refusal if there is none, or one is wrong."""
        if self.shape:
            found: Sequence[Line] = [lines.line(self.shape.strip() or "''", "", "--shape")]
        else:
            found = lines.read(self.shapes)
        own = [line.scaled(self.scale) for line in found if self.operator in (ALL, line.name)]
        if not own:
            there = ", ".join(dict.fromkeys(line.name for line in found))
            raise Refusal("--operator", f"the shapes have no {self.operator}", f"use {there}")
        return own

    @property
    def line(self) -> Line:
        """Return the only line of a case; of a series, the last, which a run states."""
        return self.lines[-1]

    @property
    def backward(self) -> bool:
        return self.direction == "backward"

    def cases(self, size: int, number: int) -> "Sequence[Layers]":
        """Return a case a line; an audit leaves out what draws numbers of its own."""
        own = [line for line in self.lines if not (self.audit and line.operator.draws)]
        return [replace(self, shape=str(line), operator=ALL, scale=1) for line in own]

    def given(self, line: Line) -> Shapes:
        return line.operator.given(line.sizes, self.backward)

    def made(self, line: Line) -> Shapes:
        return line.operator.made(line.sizes, self.backward)

    def flop(self, line: Line) -> float:
        """Return the flop of one member."""
        operator = line.operator
        return operator.flop_backward(line.sizes) if self.backward else operator.flop(line.sizes)

    def bytes(self, line: Line) -> int:
        """Return the bytes of what one member reads and makes."""
        return TYPES[self.dtype] * (elements(self.given(line)) + elements(self.made(line)))

    @property
    def work(self) -> int:
        return self.bytes(self.line)

    def work_of(self, size: int) -> int:
        return size * self.work

    def cost(self, size: int, repetition: int = 1) -> Cost:
        return Cost(flop=size * self.flop(self.line), bytes=size * self.bytes(self.line))

    def memory(self, size: int) -> int:
        # Single precision, the type itself, and the check's doubles with as many that come in between.
        return max((4 + 4 + 16) * (elements(self.given(x)) + elements(self.made(x))) for x in self.lines)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.scale < 1:
            raise Refusal("--scale", f"{self.scale} is too small", "use at least 1")
        if self.seed < 0:
            raise Refusal("--seed", f"{self.seed} is too small", "use at least 0")
        if not self.cases(size, 0):
            raise Refusal(
                "--audit", f"{self.line.name} draws numbers that nobody else can tell", "leave it out"
            )

    def draw(self, name: str, rank: int) -> np.ndarray:
        """Return what member `rank` is given under a name, in single precision, exact in the type."""
        shape = self.given(self.line)[name]
        draw = np.random.default_rng((self.seed, zlib.crc32(name.encode()), rank))
        if name == "mask":
            return (draw.random(shape) < 0.5).astype(np.float32)
        values = draw.standard_normal(shape, np.float32)
        if name in ("w", "u"):
            # So that what comes out is about as large as what goes in.
            values /= np.float32(np.sqrt(np.prod(shape[1:])))
        return rounded(values, self.dtype)

    def tolerance(self, name: str) -> float:
        return TOLERANCE[self.dtype]

    def whole(self, size: int) -> Mapping[str, Whole]:
        # A row a member, whatever the shape.
        shapes = {**self.given(self.line), **self.made(self.line)}
        return {name: Whole((size, math.prod(shape)), "float32") for name, shape in shapes.items()}

    def partial(self, parts: Fields) -> Partial:
        """Compare what this member's rows hold with plain NumPy in double precision."""
        line, found = self.line, {name: Largest(0.0) for name in parts}
        box = next(iter(parts.values()))
        assert isinstance(box, Box)
        for row in range(len(box.values)):
            rank = box.where[0].start + row
            given = {name: self.draw(name, rank) for name in self.given(line)}
            for name, right in given.items():
                # What was given is still there.
                off = float(np.count_nonzero(parts[name].values[row] != right.ravel()))
                found[name] += Largest(off)
            made = {name: parts[name].values[row].reshape(s) for name, s in self.made(line).items()}
            for name, error in line.operator.error(line.sizes, self.backward, given, made).items():
                found[name] += Largest(error)
        return found

    def check(self, found: Partial) -> list[Check]:
        line = self.line
        return [
            *(
                Check(f"{line.name}: error of {n}", found[n].value, self.tolerance(n))
                for n in self.made(line)
            ),
            *(
                Check(f"{line.name}: numbers of {n} that changed", found[n].value, 0.0)
                for n in self.given(line)
            ),
        ]

    def values(self, case: Measured, size: int) -> dict[str, float]:
        problem = case.problem
        assert isinstance(problem, Layers)
        found = {MBYTES.name: MBYTES.of(problem.work_of(size), case.seconds)}
        if flop := problem.flop(problem.line):
            found[ARITHMETIC.name] = ARITHMETIC.of(size * flop, case.seconds)
        return found

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        """Return a row a shape: the median of all repeats, and what all members together do in it."""
        return [self._row(cases, size) for cases in zip(*repeats, strict=True)]

    def _row(self, cases: Sequence[Measured], size: int) -> dict[str, Any]:
        problem, seconds = cases[0].problem, median(case.seconds for case in cases)
        assert isinstance(problem, Layers)
        flop, moved = problem.flop(problem.line), problem.bytes(problem.line)
        valid = all(case.valid for case in cases)
        return {
            "layer": f"{problem.line} {problem.direction} {problem.dtype}",
            "dtype": problem.dtype,
            "time": 1e6 * seconds,
            "arithmetic": size * flop / seconds / 1e9 if valid and flop else None,
            "bandwidth": size * moved / seconds / 1e9 if valid else None,
            "intensity": flop / moved,
            "flop": flop,
            "bytes": moved,
        }


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return single precision rounded to what the type holds, to the nearest, ties to even."""
    if dtype == "float32":
        return values
    words = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((words + 0x7FFF + (words >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
