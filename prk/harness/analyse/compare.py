"""Tell whether B is better than A: two sweeps, or two runtimes, point by point."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count
from math import comb
from pathlib import Path
from typing import Any

from prk.harness.analyse import apart, origin, rows
from prk.harness.analyse.origin import Origin
from prk.harness.analyse.rows import Row, brief, number
from prk.harness.analyse.statistics import CONFIDENCE, Comparison, compare, holm
from prk.harness.plan.points import Point
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records.text import aligned
from prk.run import registry

HEADER = ("kernel", "what", "cores", "size", "A", "n", "B", "n", "B : A", "from", "to", "holds", "p")
# What is said of time, and of anything else.
WORDS = {"better": "faster", "worse": "slower"}
ERROR = 1 - CONFIDENCE


@dataclass(frozen=True)
class Side:
    """What is compared: the rows of a sweep, or of one runtime of it, and where they were measured."""

    name: str
    rows: Sequence[Row]
    places: Sequence[Origin]

    @property
    def facts(self) -> Mapping[str, Sequence[str]]:
        """Return the values of every fact of the rows' launches."""
        points, runtimes = {r.point.id for r in self.rows}, {r.point.runtime for r in self.rows}
        return origin.common(self.places, points, runtimes)


def text(a: str, b: str) -> str:
    """Return the comparison of two sides, each FOLDER or FOLDER:RUNTIME.

    A runtime that only one side names is meant of both. Raises Refusal if no point is in both.
    """
    (folder, runtime), (other_folder, other_runtime) = split(a), split(b)
    one, other = side(folder, runtime or other_runtime), side(other_folder, other_runtime or runtime)
    pairs = matched(one.rows, other.rows, bool(runtime or other_runtime))
    if not pairs:
        raise Refusal(f"{a} and {b}", "they have no point in common", "kernel, size and cores must be equal")
    found = [tested(*pair) for pair in pairs]
    corrected = iter(holm([one.p for one in found if one]))
    tests = sum(one is not None for one in found)
    lines = [
        line(*pair, one, next(corrected), tests) if one else unknown(*pair)
        for pair, one in zip(pairs, found, strict=True)
    ]
    return "\n\n".join(
        [
            f"A: {one.name}\nB: {other.name}\n{differences(one.facts, other.facts)}",
            "\n".join(aligned([(*HEADER, f"p of {tests}", "B is"), *lines])),
            *alone(one, other, pairs),
            explained(tests),
        ]
    )


def split(name: str) -> tuple[str, str]:
    """Return folder and runtime of FOLDER:RUNTIME; a folder's own name may have a colon."""
    folder, colon, runtime = name.rpartition(":")
    return (folder, runtime) if colon and not Path(name).is_dir() else (name, "")


def side(folder: str, runtime: str) -> Side:
    """Return the rows of a sweep, or those of one RUNTIME, which may be a label with its variant."""
    sweep = apart.placed(rows.opened(Store(folder)))
    own = [r for r in sweep.rows if not runtime or apart.label(r) == runtime]
    if not own:
        there = ", ".join(dict.fromkeys(map(apart.label, sweep.rows)))
        raise Refusal(f"{folder}:{runtime}", f"the sweep has no {runtime}", f"use one of {there}")
    return Side(f"{folder}: {runtime}" if runtime else folder, own, sweep.loaded.origins)


def matched(a: Sequence[Row], b: Sequence[Row], named: bool) -> list[tuple[Row, Row]]:
    """Return the pairs of rows that measure the same: kernel, size, metric, nodes and cores.

    Rows of one runtime are on the same layout too; those of two are pairs only where runtimes are `named`,
    and each way in which they fill the cores is one with each of the other's.
    """
    others: dict[tuple[object, ...], list[Row]] = {}
    for row in b:
        others.setdefault(_measured(row), []).append(row)
    every = ((row, other) for row in a for other in others.get(_measured(row), ()))
    return [
        (x, y)
        for x, y in every
        if (x.point.layout == y.point.layout if apart.label(x) == apart.label(y) else named)
    ]


def _measured(row: Row) -> tuple[object, ...]:
    p = row.point
    return p.kernel, p.version, p.metric.name, p.metric.unit, changed(p), p.cores, p.layout["nodes"]


def changed(point: Point) -> tuple[tuple[str, Any], ...]:
    """Return the parameters other than those with the value they were introduced with.

    So a sweep from before a parameter was there has points in common with a later one.
    """
    first = {f.name: f.metadata["introduced"] for f in fields(registry.problem_class(point.kernel))}
    return tuple(sorted((k, v) for k, v in point.parameters.items() if k not in first or v != first[k]))


def tested(a: Row, b: Row) -> Comparison | None:
    """Return the comparison of two rows, if both have values."""
    return compare(a.values, b.values, a.point.metric) if a.values and b.values else None


def line(a: Row, b: Row, found: Comparison, corrected: float, tests: int) -> list[str]:
    """Return one line of the table; B is what the corrected p says."""
    numbers = [f"{v:.3f}" for v in (found.ratio, found.interval.low, found.interval.high)]
    chances = [f"{found.interval.confidence:.1%}", f"{found.p:.3g}", f"{corrected:.3g}"]
    return [*_head(a, b), *numbers, *chances, verdict(a, b, replace(found, p=corrected), tests)]


def unknown(a: Row, b: Row) -> list[str]:
    """Return the line of two rows that cannot be compared."""
    return [*_head(a, b), *[""] * 6, f"unknown: A {a.state}, B {b.state}"]


def _head(a: Row, b: Row) -> list[str]:
    """Return the cells that say what is compared: what the sides have in common, once."""
    both = (a.point, b.point)
    label = dict.fromkeys(p.label for p in both)
    cores = dict.fromkeys(laid_out(p) for p in both)
    medians = [[number(r.summary.median), str(r.summary.samples)] if r.summary else ["", ""] for r in (a, b)]
    return [a.point.kernel, " / ".join(label), " / ".join(cores), brief(a.point), *medians[0], *medians[1]]


def laid_out(point: Point) -> str:
    """Return the cores of a point; ranks x threads, where there are threads."""
    threads = point.layout["threads"]
    return str(point.cores) if threads == 1 else f"{point.layout['ranks']}x{threads}"


def verdict(a: Row, b: Row, found: Comparison, tests: int) -> str:
    """Return how B is, or not distinguishable; where no values of this number could differ, say so."""
    if found.verdict == "not distinguishable" and tests * smallest_p(len(a.values), len(b.values)) >= ERROR:
        least = next(n for n in count(1) if tests * smallest_p(n, n) < ERROR)
        among = f" for {tests} tests" if tests > 1 else ""
        return f"not distinguishable (too few launches{among}: {least} on each side are the least)"
    return found.verdict if a.point.metric.kind == "quality" else WORDS.get(found.verdict, found.verdict)


def smallest_p(n: int, m: int) -> float:
    """Return the least p that the test can give: all samples of one side above those of the other."""
    return 2 / comb(n + m, n)


def differences(a: Mapping[str, Sequence[str]], b: Mapping[str, Sequence[str]]) -> str:
    """Return in what the machines and versions of the sides differ, a line each; of what both state."""
    lines = [
        f"  {name}: A {' and '.join(a[name])}; B {' and '.join(b[name])}"
        for name in a
        if name in b and a[name] != b[name]
    ]
    if not lines:
        return "Machine and versions are the same."
    return "\n".join(["Not only what is compared differs:", *lines])


def alone(a: Side, b: Side, pairs: Sequence[tuple[Row, Row]]) -> list[str]:
    """Return how many points of each side have none beside them on the other."""
    paired = [{id(pair[place]) for pair in pairs} for place in (0, 1)]
    left = [sum(id(row) not in met for row in own.rows) for own, met in zip((a, b), paired, strict=True)]
    return [f"Only in one of them: {left[0]} points of A, {left[1]} of B."] if any(left) else []


def explained(tests: int) -> str:
    """Return what the table's columns are."""
    return textwrap.fill(
        "A and B are medians of n values. B : A is how many times as good B is, by Hodges-Lehmann's ratio; "
        "its interval inverts the rank test (Mann-Whitney, two-sided) and holds the ratio as often as it "
        f'says. p is that of a line alone; "p of {tests}" is corrected for all lines (Holm) and decides what '
        f"B is: of tables in which no line differs, {ERROR:.0%} say that one does.",
        110,
    )
