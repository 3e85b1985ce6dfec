"""Plans, states and results as rows and as aligned text. Pure."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from functools import cache
from pathlib import Path

from prk.harness.analyse import curves
from prk.harness.analyse.results import Loaded
from prk.harness.analyse.rows import Row, brief, number, remarks, size
from prk.harness.analyse.statistics import CONFIDENCE
from prk.harness.plan.points import Plan
from prk.harness.show.colour import Paint
from prk.metric import Metric
from prk.records.text import aligned

HEADER = (
    "kernel",
    "runtime",
    "nodes",
    "cores",
    "size",
    "n",
    "median",
    "from",
    "to",
    "holds",
    "min",
    "max",
    "of bound",
    "state",
)


def shown(value: float) -> str:
    """Return three digits and no exponent, as: 0.512, 13.7, 13,100."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{round(value, digits):,.{max(0, digits)}f}"


def described(metric: Metric, unit: str = "") -> str:
    """Return what a table counts: unit, the metric's name unless it is a rate, and what is better."""
    unit = unit or metric.unit
    named = unit if metric.name == "rate" else f"{metric.name} in {unit}"
    return named if metric.larger_is_better else f"{named}, smaller is better"


def cells(row: Row, over: Container[str]) -> list[str]:
    """Return a row's cells under HEADER; the bound of a point in `over` is none."""
    p, s = row.point, row.summary
    interval = s.interval if s else None
    label = p.label if p.conforming else f"{p.label} (non-conforming)"
    where = [p.kernel, label, str(p.layout["nodes"]), str(p.cores), brief(p)]
    ends = (interval.low, interval.high) if interval else (None, None)
    samples, medians = (str(s.samples), [s.median, *ends]) if s else ("", [None] * 3)
    holds = f"{interval.confidence:.1%}" if interval else ""
    extremes = (s.minimum, s.maximum) if s else (None, None)
    numbers = [samples, *map(number, medians), holds, *map(number, extremes)]
    fraction = "" if row.fraction is None or p.id in over else f"{row.fraction:.0%}"
    return [*where, *numbers, fraction, row.state]


def text(found: Sequence[Row], paint: Paint = str) -> str:
    """Return the aligned table, a block a kernel with its unit, then why points failed.

    `paint` colours the states.
    """
    blocks, over = [], curves.exceeded(found)
    for kernel in dict.fromkeys(r.point.kernel for r in found):
        own = [r for r in found if r.point.kernel == kernel]
        heading, *lines = aligned([HEADER[1:], *(cells(r, over)[1:] for r in own)])
        told = [line.removesuffix(r.state) + paint(r.state) for line, r in zip(lines, own, strict=True)]
        title = f"{kernel}, {described(own[0].point.metric)}, median of n values"
        blocks.append("\n".join([title, heading, *told]))
    why = [f"  {r.point}: {paint(r.state)}: {reason}" for r in found for reason in r.reasons]
    return "\n\n".join([*blocks, *footnotes(found), *(["\n".join(["Not ok:", *why])] if why else [])])


def footnotes(found: Sequence[Row]) -> list[str]:
    """Return what must be known to read the table."""
    reached = [r.summary.interval.confidence for r in found if r.summary and r.summary.interval]
    said = []
    if reached:
        said.append("The interval holds the median as often as it says: from exact binomial ranks.")
    if reached and min(reached) < CONFIDENCE:
        said[-1] += " Fewer than 6 values give none of 95 %: the whole range stands there."
    over, kernels = curves.exceeded(found), {r.point.id: r.point.kernel for r in found}
    why = dict.fromkeys(f"{kernels[p]}, {said}" for p, said in over.items())
    said += [f"{remark}." for remark in remarks(found)]
    return [*said, *(f"No bound where one is exceeded, and so is none: {one}." for one in why)]


def as_csv(found: Sequence[Row]) -> str:
    """Return one line a point, numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    plain = [flat(r) for r in found]
    writer.writerow(plain[0])
    writer.writerows(p.values() for p in plain)
    return out.getvalue().rstrip("\n")


def as_json(found: Sequence[Row]) -> str:
    """Return the rows with every sample."""
    return json.dumps([{**flat(r), "values": r.values} for r in found], indent=1)


def flat(row: Row) -> dict[str, object]:
    """Return a row as names and plain values."""
    p, s = row.point, row.summary
    interval = s.interval if s else None
    return {
        "point": p.id,
        "kernel": p.kernel,
        "runtime": p.runtime,
        "variant": p.variant,
        "conforming": p.conforming,
        **p.layout,
        "size": size(p),
        "metric": p.metric.name,
        "unit": p.metric.unit,
        "samples": s.samples if s else 0,
        "median": s.median if s else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "confidence": interval.confidence if interval else None,
        "minimum": s.minimum if s else None,
        "maximum": s.maximum if s else None,
        "mean": s.mean if s else None,
        "bound": row.bound.value if row.bound else None,
        "limited_by": row.bound.limit if row.bound else None,
        "fraction": row.fraction,
        "state": row.state,
        "reasons": "; ".join(row.reasons),
    }


FORMATS: Mapping[str, Callable[[Sequence[Row]], str]] = {"text": text, "csv": as_csv, "json": as_json}


def of_plan(plan: Plan) -> str:
    """Return the plan as text: its points, what is left out, and how many launches that makes."""
    # A million points share the few words that they are told by.
    once = cache(str)
    lines = [
        (p.kernel, once(p.label), *(once(p.layout[k]) for k in ("nodes", "ranks", "threads")), brief(p))
        for p in plan.points
    ]
    blocks = aligned([("kernel", "runtime", "nodes", "ranks", "threads", "size"), *lines])
    blocks += [f"left out: {e['kernel']} on {e['runtime']} {e['what']}: {e['reason']}" for e in plan.excluded]
    launches = len(plan.order)
    limit = plan.timeout * launches / 3600
    blocks.append(
        f"{len(plan.points)} points x {plan.repeat} = {launches} launches, seed {plan.seed}, "
        f"at most {plan.timeout:g} s each ({limit:.1f} h if every one took that long)"
    )
    return "\n".join(blocks)


def states(plan: Plan, loaded: Loaded) -> Counter[str]:
    """Return how many launches have each status, with those that have no record."""
    never = sum(map(len, loaded.never_started.values()))
    missing = len(plan.order) - loaded.counts().total() - never
    return loaded.counts() + Counter({"never started": never, "missing": missing})


def of_status(folder: Path, plan: Plan, loaded: Loaded, paint: Paint = str) -> str:
    """Return how many launches have which status, and every one that is not ok; `paint` colours them."""
    shown = ", ".join(f"{n} {status}" for status, n in states(plan, loaded).most_common())
    lines = [f"{folder}: {plan.title}: {len(plan.order)} launches: {paint(shown)}"]
    for p in plan.points:
        for r in loaded.results[p.id]:
            if r.status != "ok":
                lines.append(f"  {paint(r.status)}: {p} repeat {r.repeat + 1}: {r.reason}")
        for reason, n in Counter(loaded.never_started.get(p.id, [])).items():
            lines.append(f"  {p}: {n} {reason}")
    lines += [f"  not used: {name}: {why}" for name, why in loaded.problems]
    return "\n".join(lines)
