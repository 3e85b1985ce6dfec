"""What a model of a machine says that points take: made from their schedules, kept beside a sweep's records.

A predicted point is a row of its own, whose variant ends in `predicted`; it has no samples and no interval.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import prk
from prk.harness import store
from prk.harness.analyse import apart
from prk.harness.analyse.rows import Opened, Row
from prk.harness.analyse.statistics import Summary
from prk.harness.plan.points import Plan, Point
from prk.harness.store import Store
from prk.machine.model import Model
from prk.problem import Problem, Refusal, sizes
from prk.records import write
from prk.run import registry
from prk.schedule import Layout, total

VERSION = 1
NAME = "predicted"
FILE = "predicted.json"
# What takes its share of a repetition, each with the figures that it stands for and which way is better.
SHARES: Mapping[str, Mapping[str, float]] = {
    "latency": {"latency": -1, "overhead": -1, "gap": -1, "flag": -1},
    "bandwidth": {"bandwidth": 1, "injection": 1},
    "memory": {"memory": 1, "arithmetic": 1},
    "noise": {"noise": -1},
}
# By what part each figure is made better to see its share.
STEP = 0.1
# Sizes are doubled so often at most for an efficiency, which is what is left where the network is free.
DOUBLED = 6
FREE = {
    "latency": 1e-6,
    "overhead": 1e-6,
    "gap": 1e-6,
    "flag": 1e-6,
    "bandwidth": 1e9,
    "injection": 1e9,
    "noise": 1e-9,
}


@dataclass(frozen=True)
class Prediction:
    """Seconds of a repetition; messages and bytes that the busiest rank sends in it; shares, if asked for."""

    seconds: float
    messages: int
    bytes: int
    shares: Mapping[str, float] | None = None


def of_point(point: Point, model: Model, limits: bool = False) -> Prediction:
    """Return what the model says of a point. Raises Refusal, with the reason, where it says nothing."""
    if point.foreign:
        raise Refusal(point.label, "is a program of others", "nobody knows its schedule here")
    how = registry.runtime(point.runtime)
    schedule = how.cell(point.kernel).schedule
    if schedule is None:
        raise Refusal(point.label, f"has no schedule of {point.kernel}", "see docs/prediction.md")
    problem = registry.problem_class(point.kernel)(**point.parameters)
    return _of(problem, point, schedule, model, limits)


def _of(problem: Problem, point: Point, schedule: Any, model: Model, limits: bool) -> Prediction:
    layout = Layout(point.layout["ranks"], point.layout["nodes"], point.layout["threads"])
    steps = schedule(problem, point.options, layout)
    if steps is None:
        raise Refusal(point.label, "states no schedule of these parameters", "see docs/prediction.md")
    cost, cores = problem.mean_cost(layout.ranks), layout.ranks * layout.threads
    # It imports Numba, which the other commands do without.
    from prk.machine import replay

    def seconds(machine: Model) -> float:
        rates = machine.kernels.get(point.kernel)
        amount = (cost.bytes or cost.flop) / cores
        return replay.seconds(machine, layout, steps, rates, amount, cost.bytes > 0)

    took, sent = seconds(model), total(steps, layout.ranks)
    shares = None
    if limits:
        better = {
            name: model.what_if({word: 1 - STEP if way < 0 else 1 / (1 - STEP) for word, way in own.items()})
            for name, own in SHARES.items()
        }
        shares = {
            name: max(0.0, (took - seconds(machine)) / (STEP * took)) for name, machine in better.items()
        }
    return Prediction(took, int(sent.messages.max()), int(sent.bytes.max()), shares)


def of_plan(plan: Plan, model: Model, limits: bool = False) -> tuple[dict[str, Prediction], dict[str, str]]:
    """Return what the model says of each point, by its name, and why it says nothing of the others."""

    def one(point: Point) -> Prediction | str:
        try:
            return of_point(point, model, limits)
        except Refusal as refusal:
            return str(refusal)

    # What is replayed is compiled and lets other threads run; the longest first.
    order = sorted(plan.points, key=lambda p: -p.layout["ranks"])
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = dict(zip((p.id for p in order), pool.map(one, order), strict=True))
    said = {p.id: found[p.id] for p in plan.points}
    return (
        {name: own for name, own in said.items() if isinstance(own, Prediction)},
        {name: own for name, own in said.items() if isinstance(own, str)},
    )


def isoefficient(point: Point, model: Model, wanted: float) -> int | None:
    """Return the size of the problem that a point's layout wants for an efficiency; None if it is far off.

    That is its leading parameter, of which others that are equal to it follow: the ranks, doubled again and
    again. The efficiency is the time with a free network and no noise over the time.
    """
    kind, ranks = registry.problem_class(point.kernel), point.layout["ranks"]
    names = sizes(kind)
    together = [n for n in names if point.parameters[n] == point.parameters[names[0]]]
    for doubled in range(DOUBLED + 1):
        size = ranks << doubled
        own = replace(point, parameters={**point.parameters, **dict.fromkeys(together, size)})
        try:
            kind(**own.parameters).refuse(ranks)
            free, real = (of_point(own, m).seconds for m in (model.what_if(FREE), model))
        except Refusal:
            continue
        if free >= wanted * real:
            return size
    return None


def save(
    kept: Store,
    model: Model,
    found: Mapping[str, Prediction],
    why: Mapping[str, str],
    factors: Mapping[str, float],
) -> None:
    """Write the predictions beside a sweep's records; earlier ones of the folder are replaced."""
    table = {
        "schema": VERSION,
        "machine": model.table(),
        "what_if": dict(factors),
        "prk": prk.__version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "points": {name: asdict(one) for name, one in found.items()},
        "left_out": dict(why),
    }
    path = kept.folder / FILE
    with store.refuse_unwritable(path):
        write.replace(path, (json.dumps(table, indent=1) + "\n").encode())


def read(kept: Store) -> tuple[str, dict[str, Prediction]]:
    """Return of which machine a folder has predictions, and those; nothing if it has none. Raises Refusal."""
    path = kept.folder / FILE
    try:
        table = json.loads(path.read_text())
        if table["schema"] != VERSION:
            raise ValueError(f"it has schema {table['schema']}, this prk reads {VERSION}")
        changed = [f"{word} x {factor:g}" for word, factor in table["what_if"].items()]
        named = ", ".join([table["machine"]["name"], *changed])
        return named, {name: Prediction(**own) for name, own in table["points"].items()}
    except FileNotFoundError:
        return "", {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refusal(str(path), f"cannot be used ({error})", "remove it, and predict again") from None


def shown(sweep: Opened) -> Opened:
    """Return a sweep as figures, tables and pages show it: rows of what was measured, then of the rest."""
    machine, found = read(sweep.kept)
    placed = apart.placed(sweep)
    measured = [row for row in placed.rows if row.planned or not found]
    return replace(placed, rows=[*measured, *rows(sweep.plan.points, found, machine)])


def rows(points: Sequence[Point], found: Mapping[str, Prediction], machine: str) -> Iterator[Row]:
    """Yield a row for each predicted point."""
    for point in points:
        if point.id not in found:
            continue
        value = point.value(found[point.id].seconds)
        yield Row(
            point=replace(point, id=f"{point.id}-{NAME}", variant=f"{point.variant} {NAME}".strip()),
            planned=0,
            counts=Counter(),
            values=(),
            summary=Summary(0, value, None, value, value, value),
            bound=None,
            reasons=(),
            warnings=(),
            predicted=machine,
        )
