"""Plans, states and results as rows and as aligned text. Pure."""

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prk import runtime
from prk.harness import bounds
from prk.harness.bounds import Bound, Machine
from prk.harness.plan import Plan, Point
from prk.harness.statistics import CONFIDENCE, Summary, summarise
from prk.harness.store import Loaded


@dataclass(frozen=True)
class Row:
    """One point with all that its launches gave, or did not."""

    point: Point
    planned: int
    counts: Counter[str]
    rates: tuple[float, ...]
    summary: Summary | None
    bound: Bound | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    # The rows that the kernels' own tables have, of all launches.
    own: tuple[Mapping[str, Any], ...] = ()
    never_started: int = 0

    @property
    def missing(self) -> int:
        return self.planned - self.counts.total() - self.never_started

    @property
    def state(self) -> str:
        """Return ok, or what became of the launches that are not, as: 8 ok, 1 timeout, 1 missing."""
        counts = self.counts + Counter({"never started": self.never_started, "missing": self.missing})
        if set(counts) == {"ok"}:
            return "ok"
        return ", ".join(f"{n} {status}" for status, n in counts.most_common())

    @property
    def fraction(self) -> float | None:
        """Return the part of the bound that the median reaches."""
        return self.summary.median / self.bound.rate if self.summary and self.bound else None


def rows(plan: Plan, loaded: Loaded, machine: Machine | None) -> list[Row]:
    """Return a row for every point of the plan, with or without results."""
    found = []
    for point in plan.points:
        results = loaded.results[point.id]
        never = loaded.never_started.get(point.id, [])
        rates = tuple(point.rate(s) for r in results for s in r.seconds)
        found.append(
            Row(
                point=point,
                planned=plan.repeat,
                counts=Counter(r.status for r in results),
                rates=rates,
                summary=summarise(rates) if rates else None,
                bound=bounds.bound(point, machine) if machine else None,
                reasons=tuple(dict.fromkeys([*(r.reason for r in results if r.reason), *never])),
                warnings=tuple(dict.fromkeys(w for r in results for w in r.warnings)),
                own=tuple(line for r in results for line in r.table),
                never_started=len(never),
            )
        )
    return found


def size(point: Point) -> str:
    """Return the point's parameters other than the number of iterations."""
    return " ".join(f"{k}={v}" for k, v in point.parameters.items() if k != "iterations")


def brief(point: Point) -> str:
    """Return the point's size and whatever else is not as usual."""
    usual = {f.name: f.default for f in dataclasses.fields(runtime.problem_class(point.kernel))}
    own = {k: v for k, v in point.parameters.items() if k != "iterations"}
    first = next(iter(own), "")
    return " ".join(f"{k}={v}" for k, v in own.items() if k == first or v != usual.get(k, ""))


HEADER = (
    "kernel",
    "runtime",
    "nodes",
    "cores",
    "size",
    "median",
    "95 % from",
    "to",
    "min",
    "max",
    "of bound",
    "state",
)


def large(unit: str) -> tuple[str, float]:
    """Return the unit for figures, thousands of the one that PRK prints, and how many make one of it."""
    if not unit.startswith("M"):
        return unit, 1.0
    return f"G{unit[1:].replace('Flops', 'Flop')}", 1e3


def number(rate: float | None) -> str:
    """Return a rate with four digits, or nothing."""
    if rate is None:
        return ""
    return f"{rate:.4g}" if rate < 1e4 else f"{rate:.0f}"


def cells(row: Row) -> list[str]:
    """Return a row's cells under HEADER."""
    p, s = row.point, row.summary
    interval = s.interval if s else None
    ends = (interval.low, interval.high) if interval else (None, None)
    numbers = (s.median, *ends, s.minimum, s.maximum) if s else (None,) * 5
    label = p.label if p.conforming else f"{p.label} (non-conforming)"
    where = [p.kernel, label, str(p.layout["nodes"]), str(p.cores), brief(p)]
    fraction = "" if row.fraction is None else f"{row.fraction:.0%}"
    return [*where, *map(number, numbers), fraction, row.state]


def text(found: Sequence[Row]) -> str:
    """Return the aligned table, a block a kernel with its unit, then why points failed."""
    blocks = []
    for kernel in dict.fromkeys(r.point.kernel for r in found):
        own = [r for r in found if r.point.kernel == kernel]
        lines = aligned([HEADER[1:], *(cells(r)[1:] for r in own)])
        blocks.append(f"{kernel}, {own[0].point.unit}, median of the launches\n{lines}")
    reached = [r.summary.interval.confidence for r in found if r.summary and r.summary.interval]
    if reached and min(reached) < CONFIDENCE:
        blocks.append(
            "Fewer than 6 launches give no 95 % interval of the median: the whole range stands there, "
            f"which holds it with {min(reached):.0%} or more."
        )
    why = [f"  {r.point}: {r.state}: {reason}" for r in found for reason in r.reasons]
    return "\n\n".join([*blocks, *(["\n".join(["Not ok:", *why])] if why else [])])


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
    return json.dumps([{**flat(r), "rates": r.rates} for r in found], indent=1)


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
        "unit": p.unit,
        "samples": s.samples if s else 0,
        "median": s.median if s else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "confidence": interval.confidence if interval else None,
        "minimum": s.minimum if s else None,
        "maximum": s.maximum if s else None,
        "harmonic_mean": s.harmonic if s else None,
        "bound": row.bound.rate if row.bound else None,
        "limited_by": row.bound.limit if row.bound else None,
        "fraction": row.fraction,
        "state": row.state,
        "reasons": "; ".join(row.reasons),
    }


FORMATS = {"text": text, "csv": as_csv, "json": as_json}


def of_plan(plan: Plan) -> str:
    """Return the plan as text: its points, what is left out, and how many launches that makes."""
    lines = [
        (
            p.kernel,
            p.label,
            str(p.layout["nodes"]),
            str(p.layout["ranks"]),
            str(p.layout["threads"]),
            brief(p),
        )
        for p in plan.points
    ]
    blocks = [aligned([("kernel", "runtime", "nodes", "ranks", "threads", "size"), *lines])]
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


def of_status(folder: Path, plan: Plan, loaded: Loaded) -> str:
    """Return how many launches have which status, and every one that is not ok."""
    shown = ", ".join(f"{n} {status}" for status, n in states(plan, loaded).most_common())
    lines = [f"{folder}: {plan.title}: {len(plan.order)} launches: {shown}"]
    for p in plan.points:
        for r in loaded.results[p.id]:
            if r.status != "ok":
                lines.append(f"  {r.status}: {p} repeat {r.repeat + 1}: {r.reason}")
        for reason, n in Counter(loaded.never_started.get(p.id, [])).items():
            lines.append(f"  {p}: {n} {reason}")
    lines += [f"  not used: {name}: {why}" for name, why in loaded.problems]
    return "\n".join(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return the lines in columns, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]

    def shown(line: Sequence[str]) -> str:
        padded = (c.rjust(w) if _number(c) else c.ljust(w) for c, w in zip(line, widths, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join(map(shown, lines))


def _number(cell: str) -> bool:
    return bool(cell) and cell.rstrip("%").replace(".", "").replace("e+", "").isdigit()
