"""Every launch of a sweep with all that it measured, as a table for programs of statistics: long CSV."""

import csv
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from prk.harness import store
from prk.harness.plan.points import Plan, Point
from prk.harness.store import Store
from prk.metric import Metric
from prk.records import placement, read
from prk.run import reason

# What a launch is and where it stands; what it measured follows.
ABOUT = (
    *("point", "kernel", "version", "runtime", "variant", "conforming"),
    *("nodes", "ranks", "ranks_per_node", "threads"),
    *("repeat", "order", "status", "reason", "finished", "seconds", "hosts", "cpu", "prk", "sample"),
)
TIMES = ("warmup_seconds", "setup_seconds", "compile_seconds", "check_seconds")
SAMPLE = {"max": "repetition_max", "mean": "repetition_mean", "min": "repetition_min"}


def write(kept: Store, to: TextIO) -> None:
    """Write a line a sample, and one for each launch without a sample, in the order of the plan."""
    plan = kept.plan()
    parameters = dict.fromkeys(name for p in plan.points for name in p.parameters)
    metrics = dict.fromkeys(column(m) for p in plan.points for m in p.metrics)
    names = [*ABOUT, *parameters, *TIMES, *SAMPLE.values(), *metrics]
    writer = csv.DictWriter(to, names, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines(kept, plan):
        writer.writerow(line)


def column(metric: Metric) -> str:
    """Return a metric's heading: kernels count one name in several units."""
    return f"{metric.name} ({metric.unit})"


def lines(kept: Store, plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the lines, as names and plain values."""
    there = kept.names()
    for name, (number, point, repeat) in plan.launches().items():
        about = {"point": point.id, "repeat": repeat, "order": number, **_stated(point)}
        if name not in there:
            yield {**about, "status": "missing"}
            continue
        try:
            result = store.read(kept.path(name), point, repeat)
        except ValueError as error:
            yield {**about, "status": "missing", "reason": reason.plain(f"its record {error}")}
            continue
        record = read.read(kept.path(name))
        stated = {k: v for k, v in _of_launch(record).items() if v is not None}
        told = {**about, **stated, "status": result.status, "reason": result.reason}
        for sample in range(max(1, len(record["samples"]))):
            yield {**told, **_of_sample(point, record, result.values, sample)}


def _stated(point: Point) -> dict[str, Any]:
    """Return what the plan says of a point."""
    own = {name: getattr(point, name) for name in ("kernel", "version", "runtime", "variant", "conforming")}
    return {**own, **point.layout, **point.parameters}


def _of_launch(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return when and where a launch ran, and what it did besides its samples."""
    about = record.get("launch", {})
    return {
        "finished": record["finished"],
        "seconds": about.get("seconds"),
        "order": about.get("order"),
        "hosts": " ".join(placement.hosts(record["placement"])),
        "cpu": record["environment"].get("cpu"),
        "prk": record["prk"],
        **{name: record.get(name) for name in TIMES},
    }


def _of_sample(
    point: Point, record: Mapping[str, Any], values: Mapping[str, tuple[float, ...]], number: int
) -> dict[str, Any]:
    """Return the times of one repetition in a sample, and the metrics that it states."""
    if number >= len(record["samples"]):
        return {}
    times = {SAMPLE[k]: v for k, v in record["samples"][number].items() if k in SAMPLE}
    stated = {m: values.get(m.name, ()) for m in point.metrics}
    return {"sample": number, **times, **{column(m): v[number] for m, v in stated.items() if number < len(v)}}
