"""Tell whether B is better than A: two sweeps, or two runtimes, point by point."""

from collections.abc import Iterable
from dataclasses import fields
from math import comb
from typing import Any

from prk.harness.analyse import rows
from prk.harness.analyse.rows import Row, brief, number
from prk.harness.analyse.statistics import Comparison, compare
from prk.harness.plan.points import Point
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records.text import aligned
from prk.run import registry

HEADER = ("kernel", "what", "cores", "size", "A", "B", "B : A", "95 % from", "to", "p", "B is")
# What is said of time, and of anything else.
WORDS = {"better": "faster", "worse": "slower"}


def text(a: str, b: str) -> str:
    """Return the comparison of two sides, each FOLDER or FOLDER:RUNTIME.

    Raises Refusal if no point is in both.
    """
    one, other = side(a), side(b)
    same_runtime = ":" not in a and ":" not in b
    pairs = list(matched(one, other, same_runtime))
    if not pairs:
        raise Refusal(f"{a} and {b}", "they have no point in common", "kernel, size and cores must be equal")
    lines = [line(x, y) for x, y in pairs]
    left = (len(one) - len(pairs), len(other) - len(pairs))
    blocks = [f"A: {a}\nB: {b}", "\n".join(aligned([HEADER, *lines]))]
    if any(left):
        blocks.append(f"Only in one of them: {left[0]} points of A, {left[1]} of B.")
    blocks.append(
        "A and B are medians; B : A is how many times as good B is, by Hodges-Lehmann's ratio, with the\n"
        "interval that inverts the rank test (Mann-Whitney, two-sided, 5 %). Each line is a test of its\n"
        "own: of many, some will err."
    )
    return "\n\n".join(blocks)


def side(name: str) -> list[Row]:
    """Return the rows of FOLDER or FOLDER:RUNTIME, where RUNTIME may be a label with its variant."""
    folder, _, runtime = name.partition(":")
    found = rows.opened(Store(folder)).rows
    if not runtime:
        return found
    chosen = [r for r in found if r.point.label == runtime]
    if not chosen:
        there = ", ".join(dict.fromkeys(r.point.label for r in found))
        raise Refusal(name, f"the sweep has no {runtime}", f"use one of {there}")
    return chosen


def matched(a: Iterable[Row], b: Iterable[Row], same_runtime: bool) -> Iterable[tuple[Row, Row]]:
    """Yield the rows that measure the same: kernel, size, metric and cores, and the runtime if asked for."""

    def key(row: Row) -> tuple[object, ...]:
        p = row.point
        own = (p.label, p.layout["ranks"]) if same_runtime else ()
        what = (p.kernel, p.version, p.metric.name, p.metric.unit, changed(p))
        return (*what, p.cores, p.layout["nodes"], *own)

    others = {key(row): row for row in b}
    return ((row, others[key(row)]) for row in a if key(row) in others)


def changed(point: Point) -> tuple[tuple[str, Any], ...]:
    """Return the parameters other than those with the value they were introduced with.

    So a sweep from before a parameter was there has points in common with a later one.
    """
    first = {f.name: f.metadata["introduced"] for f in fields(registry.problem_class(point.kernel))}
    return tuple(sorted((k, v) for k, v in point.parameters.items() if k not in first or v != first[k]))


def line(a: Row, b: Row) -> list[str]:
    """Return one line of the table."""
    p = a.point
    what = p.label if p.label == b.point.label else f"{p.label} / {b.point.label}"
    head = [p.kernel, what, str(p.cores), brief(p)]
    if not a.summary or not b.summary:
        return [*head, *_medians(a, b), "", "", "", "", f"unknown: A {a.state}, B {b.state}"]
    found = compare(a.values, b.values, p.metric)
    ratio, low, high = (f"{v:.3f}" for v in (found.ratio, found.interval.low, found.interval.high))
    return [*head, *_medians(a, b), ratio, low, high, f"{found.p:.3g}", verdict(a, b, found)]


def verdict(a: Row, b: Row, found: Comparison) -> str:
    """Return how B is, or not distinguishable; where no samples of this number could differ, say so."""
    if found.verdict == "not distinguishable" and smallest_p(len(a.values), len(b.values)) >= 0.05:
        return "not distinguishable (too few launches: 4 on each side are the least)"
    return found.verdict if a.point.metric.kind == "quality" else WORDS.get(found.verdict, found.verdict)


def smallest_p(n: int, m: int) -> float:
    """Return the least p that the test can give: all samples of one side above those of the other."""
    return 2 / comb(n + m, n)


def _medians(a: Row, b: Row) -> list[str]:
    return [number(r.summary.median if r.summary else None) for r in (a, b)]
