"""Tell whether B is faster than A: two sweeps, or two runtimes, point by point."""

from collections.abc import Iterable

from prk.harness import store, table
from prk.harness.statistics import Comparison, compare
from prk.harness.store import Store
from prk.harness.table import Row, aligned, brief
from prk.problem import Refusal

HEADER = ("kernel", "what", "cores", "size", "A", "B", "B / A", "95 % from", "to", "p", "B is")


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
    blocks = [f"A: {a}\nB: {b}", aligned([HEADER, *lines])]
    if any(left):
        blocks.append(f"Only in one of them: {left[0]} points of A, {left[1]} of B.")
    blocks.append(
        "Rates are medians; the ratio is Hodges-Lehmann's, with the interval that inverts the rank test\n"
        "(Mann-Whitney, two-sided, 5 %). Each line is a test of its own: of many, some will err."
    )
    return "\n\n".join(blocks)


def side(name: str) -> list[Row]:
    """Return the rows of FOLDER or FOLDER:RUNTIME, where RUNTIME may be a label with its variant."""
    folder, _, runtime = name.partition(":")
    kept = Store(folder)
    plan = kept.plan()
    rows = table.rows(plan, store.load(kept, plan), None)
    if not runtime:
        return rows
    chosen = [r for r in rows if r.point.label == runtime]
    if not chosen:
        there = ", ".join(dict.fromkeys(r.point.label for r in rows))
        raise Refusal(name, f"the sweep has no {runtime}", f"use one of {there}")
    return chosen


def matched(a: Iterable[Row], b: Iterable[Row], same_runtime: bool) -> Iterable[tuple[Row, Row]]:
    """Yield the rows that measure the same: kernel, parameters and cores, and the runtime if asked for."""

    def key(row: Row) -> tuple[object, ...]:
        p = row.point
        own = (p.label, p.layout["ranks"]) if same_runtime else ()
        return (p.kernel, tuple(sorted(p.parameters.items())), p.cores, p.layout["nodes"], *own)

    others = {key(row): row for row in b}
    return ((row, others[key(row)]) for row in a if key(row) in others)


def line(a: Row, b: Row) -> list[str]:
    """Return one line of the table."""
    p = a.point
    what = p.label if p.label == b.point.label else f"{p.label} / {b.point.label}"
    head = [p.kernel, what, str(p.cores), brief(p)]
    if not a.summary or not b.summary:
        return [*head, *_medians(a, b), "", "", "", "", f"unknown: A {a.state}, B {b.state}"]
    found: Comparison = compare(a.rates, b.rates)
    ratio, low, high = (f"{v:.3f}" for v in (found.ratio, found.interval.low, found.interval.high))
    return [*head, *_medians(a, b), ratio, low, high, f"{found.p:.3g}", verdict(a, b, found)]


def verdict(a: Row, b: Row, found: Comparison) -> str:
    """Return faster, slower or not distinguishable; where no samples of this number could differ, say so."""
    if found.verdict == "not distinguishable" and smallest_p(len(a.rates), len(b.rates)) >= 0.05:
        return "not distinguishable (too few launches: 4 on each side are the least)"
    return found.verdict


def smallest_p(n: int, m: int) -> float:
    """Return the least p that the test can give: all samples of one side above those of the other."""
    from math import comb

    return 2 / comb(n + m, n)


def _medians(a: Row, b: Row) -> list[str]:
    return [table.number(r.summary.median if r.summary else None) for r in (a, b)]
