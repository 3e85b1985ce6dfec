"""The points of a roofline: what kernels, layers and models do for each byte, and how fast. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from prk.harness.analyse.rows import Row, brief
from prk.machine.roofs import Machine
from prk.run import registry

# What a kernel's own table says of a line's place in a roofline: flop a byte, GFlop/s and GB/s.
PLACE = ("intensity", "arithmetic", "bandwidth")


@dataclass(frozen=True)
class Dot:
    """One kernel, layer or model on one runtime: the median of its launches, of all members together."""

    kernel: str
    name: str
    runtime: str
    cores: int
    dtype: str
    # Flop a byte and flop a second; 0 where it only moves data.
    intensity: float
    flops: float
    # Bytes a second, as few as there could be.
    bandwidth: float

    def share(self, machine: Machine) -> float:
        """Return the part of what the machine allows it; more than 1 where caches keep what it moves."""
        roofs = machine.used(self.cores)
        if not self.flops:
            return self.bandwidth / roofs.bandwidth
        return self.flops / min(roofs.peak(self.dtype), self.intensity * roofs.bandwidth)


def dots(rows: Iterable[Row]) -> tuple[list[Dot], list[str]]:
    """Return the points of rows with results, and the kernels of which nothing tells where they stand."""
    found: list[Dot] = []
    lost: dict[str, None] = {}
    for row in rows:
        if row.summary is None:
            continue
        own = of_table(row)
        if not own and (one := of_cost(row)):
            own = [one]
        found += own
        if not own:
            lost[row.point.kernel] = None
    return found, list(lost)


def of_table(row: Row) -> list[Dot]:
    """Return a point for each line of the kernel's own table, if that says where its lines stand."""
    point, label = row.point, next(iter(registry.problem_class(row.point.kernel).headings), "")
    several: dict[str, list[Mapping[str, Any]]] = {}
    for line in row.own:
        if line.get("bandwidth") and all(name in line for name in PLACE):
            several.setdefault(str(line.get(label, "")), []).append(line)
    return [
        Dot(
            kernel=point.kernel,
            name=name,
            runtime=point.label,
            cores=point.cores,
            dtype=str(lines[0].get("dtype", "float64")),
            **{k: median(float(line[v] or 0) for line in lines) * scale for k, v, scale in MEANT},
        )
        for name, lines in several.items()
    ]


MEANT = (("intensity", "intensity", 1.0), ("flops", "arithmetic", 1e9), ("bandwidth", "bandwidth", 1e9))


def of_cost(row: Row) -> Dot | None:
    """Return a point by what a repetition takes at least; None where that is neither flop nor bytes."""
    point, cost = row.point, row.point.cost
    if not row.summary or not cost.bytes or point.metric.kind not in ("throughput", "latency"):
        return None
    metric, value = point.metric, row.summary.median * point.metric.scale
    seconds = point.work / value if metric.larger_is_better else point.work * value
    return Dot(
        kernel=point.kernel,
        name=f"{point.kernel} {brief(point)}".strip(),
        runtime=point.label,
        cores=point.cores,
        dtype=str(point.parameters.get("dtype", "float64")),
        intensity=cost.flop / cost.bytes,
        flops=cost.flop / seconds,
        bandwidth=cost.bytes / seconds,
    )


def tables(rows: Iterable[Row]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the lines of the kernels' own tables that have places, by kernel, with runtime and cores."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        own = [line for line in row.own if all(name in line for name in PLACE)]
        more = {"runtime": row.point.label, "cores": row.point.cores}
        found.setdefault(row.point.kernel, []).extend({**line, **more} for line in own)
    return {kernel: lines for kernel, lines in found.items() if lines}
