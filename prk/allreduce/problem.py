"""Collectives over message sizes: allreduce, reduce_scatter, allgather, broadcast, alltoall.

Sizes and bandwidths are counted as nccl-tests counts them: the size is that of the larger buffer,
algbw = size / time, and busbw = algbw x a factor that makes it comparable with the speed of the links,
whatever the number of ranks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, ClassVar

import numpy as np

from prk.allreduce import model
from prk.check import Box, Check, Fields, Partial, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.problem import Curve, Measured, Problem, Refusal, parameter

COLLECTIVES = ("allreduce", "reduce_scatter", "allgather", "broadcast", "alltoall")
REDUCING = ("allreduce", "reduce_scatter")
# Which of them have a block a rank in their input, which in their output, which in neither.
BLOCKS_IN = ("reduce_scatter", "alltoall")
BLOCKS_OUT = ("allgather", "alltoall")
WHOLE = ("allreduce", "broadcast")
# Periods of the inputs, primes: an element that came from a wrong place or rank differs.
PLACE, STRIDE, RANK = 509, 127, 13
LARGEST = PLACE + STRIDE + RANK
# The largest integer up to which a type holds all integers.
EXACT = {"float32": 2**24, "float64": 2**53}
# Messages up to so many bytes are sent so often in one repetition.
SMALL, OFTEN = 1 << 16, 50
# Positions of successive repetitions lie so far apart.
STEP = 7919
RATE, ALGBW = Metric("rate", "GB/s", 1e9), Metric("algbw", "GB/s", 1e9)
TIME = Metric("time", "us", 1e-6, larger_is_better=False, kind="latency")


@dataclass(frozen=True, kw_only=True)
class Allreduce(Problem):
    """Message sizes, type and collective; a case of the series has one size.

    What a run states is of its largest message: `rate` is its bus bandwidth, on one member, where no bus is
    used, its algbw.
    """

    title: ClassVar[str] = "collectives over message sizes"
    # Version 1 stated the bytes of all sizes over the seconds of all sizes.
    version: ClassVar[int] = 2
    metrics: ClassVar[tuple[Metric, ...]] = (RATE, ALGBW, TIME)
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "bytes": ("size (B)", "d"),
        "count": ("count", "d"),
        "type": ("type", ""),
        "time": ("time (us)", ".2f"),
        "p50": ("p50 (us)", ".2f"),
        "p95": ("p95 (us)", ".2f"),
        "max": ("max (us)", ".2f"),
        "algbw": ("algbw (GB/s)", ".3f"),
        "busbw": ("busbw (GB/s)", ".3f"),
        "wrong": ("#wrong", "d"),
    }

    curves: ClassVar[tuple[Curve, ...]] = (Curve("bus bandwidth over message size", "busbw", "bytes"),)
    own_laps: ClassVar[bool] = True

    max_bytes: int = parameter(1 << 22, "largest message", label="Largest message (B)", size=True)
    min_bytes: int = parameter(4, "smallest message", label="Smallest message (B)", size=True)
    factor: int = parameter(4, "from one size to the next", label="Factor between sizes")
    dtype: str = parameter("float32", "element type", ("float32", "float64"), label="Type", compiled=True)
    place: str = parameter("out", "result in the input's place or not", ("in", "out"), label="In place")
    collective: str = parameter("allreduce", "which collective", COLLECTIVES, label="Collective")

    @property
    def sizes(self) -> list[int]:
        """Return the message sizes in bytes, whole elements."""
        found, size = [], self.min_bytes
        while size <= self.max_bytes:
            found.append(max(1, size // self.itemsize) * self.itemsize)
            size *= self.factor
        return list(dict.fromkeys(found))

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def work(self) -> int:
        return self.sizes[-1]

    def cases(self, size: int, number: int) -> "Sequence[Allreduce]":
        """Return one problem a size; a collective with blocks takes whole ones, at least one element each."""
        each = self.itemsize * (1 if self.collective in WHOLE else size)
        fitting = dict.fromkeys(max(1, b // each) * each for b in self.sizes)
        return [replace(self, min_bytes=b, max_bytes=b) for b in fitting]

    def cost(self, size: int, repetition: int = 1) -> Cost:
        """Return what the largest message takes at least, by whatever algorithm."""
        if size == 1:
            return Cost()
        # Whoever is to have heard of all others has that in so many steps, the number doubled by each.
        steps = (size - 1).bit_length()
        sent = self.cases(size, 0)[-1].work * self.busbw_factor(size)
        return Cost(messages=steps, message_bytes=sent, chain=steps)

    def tolerance(self, name: str) -> float:
        # Whole numbers that the type holds exactly.
        return 0.0

    @property
    def burst(self) -> int:
        """Return how often a case's one size is sent in a repetition, for its mean: small ones take no time.

        In place, a result is the next input, so that sums would grow beyond what the type holds.
        """
        return OFTEN if self.max_bytes <= SMALL and self.place == "out" else 1

    def busbw_factor(self, size: int) -> float:
        """Return busbw / algbw on `size` ranks."""
        factors = {"allreduce": 2 * (size - 1) / size, "broadcast": 1.0}
        return factors.get(self.collective, (size - 1) / size)

    def memory(self, size: int) -> int:
        # Input and output, and a third for what an algorithm or the library receives in between.
        return 3 * self.max_bytes

    def refuse(self, size: int) -> None:
        super().refuse(size)
        for option, value, least in (("--min-bytes", self.min_bytes, 1), ("--factor", self.factor, 2)):
            if value < least:
                raise Refusal(option, f"{value} is too small", f"use at least {least}")
        if self.max_bytes < self.min_bytes:
            raise Refusal(
                "--max-bytes",
                f"{self.max_bytes} is less than --min-bytes {self.min_bytes}",
                f"use at least {self.min_bytes}",
            )
        reached = size * (LARGEST + self.repetitions)
        if reached > EXACT[self.dtype]:
            works = "--dtype float64" if self.dtype == "float32" else "fewer iterations"
            raise Refusal(
                "--dtype", f"sums reach {reached}, which {self.dtype} does not hold exactly", f"use {works}"
            )

    def count(self, size: int) -> int:
        """Return a case's elements as the call is given them: of the whole, or of one of its blocks."""
        whole = self.max_bytes // self.itemsize
        return whole if self.collective in WHOLE else whole // size

    def shape(self, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the shapes of a case's input and output: blocks (one, or one a rank) and their length."""
        length = self.count(size)
        given, made = (size if self.collective in those else 1 for those in (BLOCKS_IN, BLOCKS_OUT))
        return (given, length), (made, length)

    def input(self, rank: int, size: int, start: int, stop: int) -> np.ndarray:
        """Return elements [start, stop) of the rank's input, before any repetition changed it."""
        return value(rank, np.arange(start, stop)).astype(self.dtype)

    def output(self, rank: int, size: int, block: Any, places: np.ndarray) -> np.ndarray:
        """Return the rank's output at `places` of one block, for inputs that nothing changed.

        Sums of integers that the type holds exactly, so they do not depend on the order of the additions.
        """
        (_, length), _ = self.shape(size)
        index = places + (rank * length if self.collective in BLOCKS_IN else 0)
        if self.collective not in REDUCING:
            return value(block, index)
        shares = np.array([sum((i + r) % RANK for r in range(size)) for i in range(RANK)])
        return size * place_value(index) + shares[index % RANK]

    def change(self, size: int) -> int:
        """Return by how much an output element grows when every rank adds 1 to it in its input."""
        return size if self.collective in REDUCING else 1

    def whole(self, size: int) -> Mapping[str, Whole]:
        _, (blocks, length) = self.shape(size)
        return {
            "members": Whole((size,), "int64"),
            "trace": Whole((size, self.repetitions), self.dtype),
            "output": Whole((size, blocks * length), self.dtype),
        }

    def partial(self, parts: Fields) -> Partial:
        trace, size = parts["trace"], int(parts["members"].values[0])
        assert isinstance(trace, Box)
        rank = trace.where[0].start
        wrong = self._wrong_traces(rank, size, trace.values[0])
        return {"wrong": wrong + self._wrong(rank, size, parts["output"].values)}

    def _wrong_traces(self, rank: int, size: int, trace: np.ndarray) -> int:
        """Count the repetitions after which the element that they changed was not what it must be."""
        _, (blocks, length) = self.shape(size)
        at = positions(self.repetitions, length)
        seen: Counter[int] = Counter()
        changes = []
        for place in at.tolist():
            seen[place] += 1
            changes.append(seen[place])
        expected = self.output(rank, size, np.arange(at.size) % blocks, at)
        return int(np.count_nonzero(trace != expected + np.array(changes) * self.change(size)))

    def _wrong(self, rank: int, size: int, output: np.ndarray) -> int:
        """Count the wrong elements of the last repetition's output."""
        _, (blocks, length) = self.shape(size)
        at, times = np.unique(positions(self.repetitions, length), return_counts=True)
        wrong = 0
        for block, row in enumerate(output.reshape(blocks, length)):
            for chunk in rows_at_a_time(row):
                expected = self.output(rank, size, block, np.arange(chunk.start, chunk.stop))
                here = (at >= chunk.start) & (at < chunk.stop)
                expected[at[here] - chunk.start] += times[here] * self.change(size)
                wrong += int(np.count_nonzero(row[chunk] != expected))
        return wrong

    def check(self, found: Partial) -> list[Check]:
        return [Check(f"#wrong of {self.max_bytes} B", float(found["wrong"]), self.tolerance("output"))]

    def values(self, case: Measured, size: int) -> dict[str, float]:
        algbw = ALGBW.of(case.problem.work, case.seconds)
        factor = self.busbw_factor(size) if size > 1 else 1.0
        return {"rate": algbw * factor, "algbw": algbw, "time": TIME.of(1, case.seconds)}

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        return [self._row(cases, size) for cases in zip(*repeats, strict=True)]

    def _row(self, cases: Sequence[Measured], size: int) -> dict[str, Any]:
        """Return one size's row from its cases in all repeats; no bandwidth is stated unless all is right."""
        problem = cases[0].problem
        laps = sorted(lap * 1e6 for case in cases for lap in case.laps)
        seconds = median(case.seconds for case in cases)
        algbw = problem.work / seconds / 1e9 if all(case.valid for case in cases) else None
        return {
            "bytes": problem.work,
            "count": problem.count(size),  # type: ignore[attr-defined]
            "type": self.dtype,
            "time": seconds * 1e6,
            "p50": float(np.percentile(laps, 50)),
            "p95": float(np.percentile(laps, 95)),
            "max": laps[-1],
            "algbw": algbw,
            "busbw": None if algbw is None else algbw * self.busbw_factor(size),
            "wrong": int(sum(c.error for case in cases for c in case.checks)),
        }

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        rows = self.table(repeats, size)
        busbw = [row["busbw"] for row in rows]
        if None in busbw:
            return {}
        return {"average busbw (GB/s)": sum(busbw) / len(busbw), **model.described(rows)}


def place_value(index: np.ndarray) -> np.ndarray:
    """Return the part of an input element that tells its place, the same on all ranks."""
    return index % PLACE + index // PLACE % STRIDE


def value(rank: int, index: np.ndarray) -> np.ndarray:
    """Return the integers that a rank's input holds at `index`."""
    return place_value(index) + (index + rank) % RANK


def positions(repetitions: int, length: int) -> np.ndarray:
    """Return the place in every block that each repetition changes in the input and reads in the output."""
    return np.arange(repetitions, dtype=np.int64) * STEP % length
