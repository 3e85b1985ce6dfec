"""What a sweep's launches gave, a row a point: what tables, figures, pages and comparisons start from."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from prk.harness.analyse import results
from prk.harness.analyse.results import Loaded
from prk.harness.analyse.statistics import Summary, summarise
from prk.harness.plan.points import Plan, Point
from prk.harness.store import Store
from prk.machine import bounds
from prk.machine.bounds import Machine
from prk.problem import Problem, sizes
from prk.run import registry


@dataclass(frozen=True)
class Bound:
    """The best that a point can reach, in the unit of its first metric, and what limits it."""

    value: float
    limit: str


@dataclass(frozen=True)
class Row:
    """One point with all that its launches gave, or did not."""

    point: Point
    planned: int
    counts: Counter[str]
    # Of the first metric, a value a sample.
    values: tuple[float, ...]
    summary: Summary | None
    bound: Bound | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    # The rows that the kernels' own tables have, of all launches.
    own: tuple[Mapping[str, Any], ...] = ()
    never_started: int = 0
    # The machine whose model says the value, where nothing was measured.
    predicted: str = ""
    # The rows of the lists that figures are drawn from besides, of all launches, by the list's name.
    lists: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    # What befell the runs that were to outlive it.
    faults: tuple[Mapping[str, Any], ...] = ()
    # How the load lay, a sample each.
    balance: tuple[Mapping[str, Any], ...] = ()

    @property
    def missing(self) -> int:
        return self.planned - self.counts.total() - self.never_started

    @property
    def state(self) -> str:
        """Return ok, or what became of the launches that are not, as: 8 ok, 1 timeout, 1 missing."""
        if self.predicted:
            return "predicted"
        counts = self.counts + Counter({"never started": self.never_started, "missing": self.missing})
        if set(counts) == {"ok"}:
            return "ok"
        return ", ".join(f"{n} {status}" for status, n in counts.most_common())

    @property
    def fraction(self) -> float | None:
        """Return the part of the bound that the median reaches."""
        if self.summary is None or self.bound is None:
            return None
        return self.point.metric.ratio(self.summary.median, self.bound.value)


@dataclass(frozen=True)
class Opened:
    """A sweep's folder, read once."""

    kept: Store
    plan: Plan
    loaded: Loaded
    machine: Machine | None
    rows: list[Row]


def opened(kept: Store) -> Opened:
    """Read a sweep's folder. Raises Refusal if it holds none."""
    plan = kept.plan()
    loaded, machine = results.load(kept, plan), bounds.read(kept.machine)
    return Opened(kept, plan, loaded, machine, rows(plan, loaded, machine))


def rows(plan: Plan, loaded: Loaded, machine: Machine | None) -> list[Row]:
    """Return a row for every point of the plan, with or without results."""
    found = []
    for point in plan.points:
        own = loaded.results[point.id]
        never = loaded.never_started.get(point.id, [])
        values = tuple(v for r in own for v in r.values.get(point.metric.name, ()))
        found.append(
            Row(
                point=point,
                planned=plan.planned[point.id],
                counts=Counter(r.status for r in own),
                values=values,
                summary=summarise(values, point.metric.kind == "throughput") if values else None,
                bound=bound(point, machine) if machine else None,
                reasons=tuple(dict.fromkeys([*(r.reason for r in own if r.reason), *never])),
                warnings=tuple(dict.fromkeys(w for r in own for w in r.warnings)),
                own=tuple(line for r in own for line in r.table),
                never_started=len(never),
                lists={
                    name: tuple(line for r in own for line in r.lists.get(name, ()))
                    for name in dict.fromkeys(name for r in own for name in r.lists)
                },
                faults=tuple(r.faults for r in own if r.faults),
                balance=tuple(one for r in own for one in r.balance),
            )
        )
    return found


def bound(point: Point, machine: Machine) -> Bound | None:
    """Return the point's bound; None where nothing bounds it, or where its metric is not one of time."""
    limit = bounds.limit(point.cost, point.layout, point.shared, machine)
    if limit is None or point.metric.kind not in ("throughput", "latency"):
        return None
    return Bound(point.value(limit.seconds), limit.name)


def remarks(found: Sequence[Row]) -> list[str]:
    """Return what whoever reads figures of these rows must know, as their problems say it."""
    said: dict[str, None] = {}
    for row in found:
        kind = registry.problem_class(row.point.kernel)
        if kind.remark is not Problem.remark:
            said[kind(**row.point.parameters).remark] = None
    return [remark for remark in said if remark]


def size(point: Point) -> str:
    """Return the point's parameters other than the number of iterations."""
    return " ".join(f"{k}={v}" for k, v in point.parameters.items() if k != "iterations")


def brief(point: Point) -> str:
    """Return the point's size and whatever else is not as usual."""
    usual, large = _usual(point.kernel)
    own = {k: v for k, v in point.parameters.items() if k != "iterations"}
    return " ".join(f"{k}={v}" for k, v in own.items() if k in large or v != usual.get(k, ""))


@cache
def _usual(kernel: str) -> tuple[dict[str, Any], list[str]]:
    """Return a kernel's defaults, and the parameters that say how large a problem is."""
    made = registry.problem_class(kernel)
    return {f.name: f.default for f in dataclasses.fields(made)}, sizes(made)


def number(value: float | None) -> str:
    """Return a value with four digits, or nothing."""
    if value is None:
        return ""
    return f"{value:.4g}" if value < 1e4 else f"{value:.0f}"
