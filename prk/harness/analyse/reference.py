"""What a machine reached, kept in a file, and whether a later sweep still reaches it."""

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prk.harness import store
from prk.harness.analyse import compare, statistics
from prk.harness.analyse.compare import Side
from prk.harness.analyse.rows import Row, brief, number
from prk.harness.analyse.statistics import Comparison
from prk.problem import Refusal
from prk.records import build, write
from prk.records.read import parsed
from prk.records.text import aligned

SCHEMA = 1
HEADER = (
    *("kernel", "what", "cores", "size", "unit", "A", "n", "B", "n"),
    *("B : A", "from", "to", "holds", "tolerance", "B is"),
)
WORSE, FAILED = "worse", "not right"


@dataclass(frozen=True)
class Expected:
    """What is expected of one point: a metric's values, and which part of them may be lost."""

    label: str
    text: str
    metric: str
    unit: str
    tolerance: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Reference:
    """The expected points by name, and the machine and versions that they were measured with."""

    points: Mapping[str, Expected]
    facts: Mapping[str, Sequence[str]]


def save(given: str, path: str, tolerance: float) -> str:
    """Write what a sweep, FOLDER or FOLDER:RUNTIME, measured to a new file; return what it holds.

    `tolerance` is the part by which each point may get worse. What was measured in another place than most
    launches, or has no right launch, is left out and said. Raises Refusal if nothing is left.
    """
    whole = compare.side(*compare.split(given))
    own = replace(whole, rows=[r for r in whole.rows if r.values and r.point.id == _point(r)])
    if not own.rows:
        raise Refusal(given, "no launch of it is right", "prk-bench status says why")
    write.refuse("--out", path)
    write.write(table(own, tolerance), path)
    left = [r for r in whole.rows if r not in own.rows]
    said = f"{path}: {len(own.rows)} points of {own.name}, each may lose {tolerance:.3g} of its median"
    return "\n".join([said, *(f"  left out: {r.point}: {r.state}" for r in left)])


def table(own: Side, tolerance: float) -> dict[str, Any]:
    """Return a reference as its file holds it."""
    points = [
        {
            "point": r.point.id,
            "kernel": r.point.kernel,
            "runtime": r.point.runtime,
            "variant": r.point.variant,
            "layout": dict(r.point.layout),
            "parameters": dict(r.point.parameters),
            "metric": r.point.metric.name,
            "unit": r.point.metric.unit,
            "larger_is_better": r.point.metric.larger_is_better,
            "tolerance": tolerance,
            "values": list(r.values),
        }
        for r in own.rows
    ]
    return {"schema": SCHEMA, "prk": build.prk_version(), "machine": dict(own.facts), "points": points}


def read(path: str) -> Reference:
    """Return the reference in a file. Raises Refusal naming the file."""
    works = "prk-bench reference writes one"
    found = parsed(path, works)
    try:
        if found["schema"] != SCHEMA:
            raise ValueError(f"it has schema {found['schema']}, this prk reads {SCHEMA}")
        points = [(str(row["point"]), _expected(row)) for row in found["points"]]
        twice = [point for point, n in Counter(p for p, _ in points).items() if n > 1]
        if twice:
            raise ValueError(f"it has the point {twice[0]} twice")
        facts = {str(name): list(map(str, values)) for name, values in found.get("machine", {}).items()}
        return Reference(dict(points), facts)
    except KeyError as error:
        raise Refusal(path, f"is no reference (it lacks {error})", works) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise Refusal(path, f"is no reference ({error})", works) from None


def _expected(row: Mapping[str, Any]) -> Expected:
    """Return one point of a file. Raises KeyError, TypeError or ValueError saying what is wrong."""
    label = f"{row['runtime']} {row['variant']}".strip()
    where = {**row["layout"], **row["parameters"]}
    shown = " ".join(f"{k}={v}" for k, v in where.items() if k != "ranks_per_node")
    values, tolerance = tuple(map(float, row["values"])), float(row["tolerance"])
    if not values or not all(0 < v < math.inf for v in values):
        raise ValueError(f"the values of {row['point']} are not positive numbers")
    if not 0 <= tolerance < 1:
        raise ValueError(f"the tolerance of {row['point']} is {tolerance:g}, not a part from 0 to 1")
    text = f"{row['kernel']} {label} {shown}"
    return Expected(label, text, str(row["metric"]), str(row["unit"]), tolerance, values)


def compared(given: str, path: str) -> tuple[str, bool]:
    """Return how a sweep, FOLDER or FOLDER:RUNTIME, stands beside a reference, and whether it fails it.

    It does where a point is worse or has a launch that is not right; points that only one of them has
    are named. Raises Refusal if they have none in common.
    """
    known = read(path)
    folder, runtime = compare.split(given)
    own = compare.side(folder, runtime)
    expected = {name: one for name, one in known.points.items() if runtime in ("", one.label)}
    pairs = [(r, expected[_point(r)]) for r in own.rows if _point(r) in expected]
    if not pairs:
        raise Refusal(
            f"{given} and {path}", "they have no point in common", "write a reference of such a sweep"
        )
    lines = [judged(*pair) for pair in pairs]
    there = {_point(r) for r in own.rows}
    parts = [
        f"A: reference {path}\nB: {own.name}\n{compare.differences(known.facts, own.facts)}",
        "\n".join(aligned([HEADER, *lines])),
        *_named("Only in B", [str(r.point) for r in own.rows if _point(r) not in expected]),
        *_named("Only in A", [one.text for name, one in expected.items() if name not in there]),
        explained(),
    ]
    return "\n\n".join(parts), any(line[-1].startswith((WORSE, FAILED)) for line in lines)


def _point(row: Row) -> str:
    """Return the name of a row's point, wherever it was measured."""
    return row.point.id.partition("-")[0]


def _named(what: str, points: Sequence[str]) -> list[str]:
    return ["\n".join([f"{what}:", *(f"  {p}" for p in points)])] if points else []


def judged(row: Row, expected: Expected) -> list[str]:
    """Return the line of a point, whose last cell says how it is. Raises Refusal for another metric."""
    p = row.point
    if (expected.metric, expected.unit) != (p.metric.name, p.metric.unit):
        raise Refusal(
            f"reference of {p}",
            f"it counts {expected.metric} in {expected.unit}",
            f"the sweep counts {p.metric.name} in {p.metric.unit}",
        )
    found = statistics.compare(expected.values, row.values, p.metric) if row.values else None
    medians = [
        cell
        for s in (statistics.summarise(expected.values), row.summary)
        for cell in ((number(s.median), str(s.samples)) if s else ("", ""))
    ]
    numbers = [""] * 4
    if found:
        reach = found.interval
        numbers = [*(f"{v:.3f}" for v in (found.ratio, reach.low, reach.high)), f"{reach.confidence:.1%}"]
    where = (p.kernel, p.label, compare.laid_out(p), brief(p), p.metric.unit)
    return [*where, *medians, *numbers, f"{expected.tolerance:.1%}", verdict(row, expected.tolerance, found)]


def verdict(row: Row, tolerance: float, found: Comparison | None) -> str:
    """Return how a point is: it is worse or better if the whole interval lies beyond the tolerance."""
    if found is None or any(row.counts[s] for s in store.FAILED):
        return f"{FAILED}: {row.state}"
    if found.interval.high < 1 - tolerance:
        return WORSE
    return "better" if found.interval.low > 1 / (1 - tolerance) else "as expected"


def explained() -> str:
    """Return what the table's columns are."""
    return textwrap.fill(
        "A and B are medians of n values. B : A is how many times as good B is, by Hodges-Lehmann's ratio; "
        "its interval holds the ratio as often as it says. B is worse if the whole interval lies further "
        "below 1 than the tolerance; of one launch on each side the interval is the ratio alone.",
        110,
    )
