"""Predictions as aligned text: every point, where what takes over, and why some points have none. Pure."""

from collections.abc import Mapping
from itertools import pairwise

from prk.harness.analyse.predicted import Prediction
from prk.harness.analyse.rows import brief
from prk.harness.plan.points import Plan, Point
from prk.harness.show import table
from prk.records.text import aligned

HEADER = ("runtime", "nodes", "cores", "size", "seconds", "predicted", "messages", "bytes")


def text(
    plan: Plan, found: Mapping[str, Prediction], why: Mapping[str, str], sized: Mapping[str, int | None]
) -> str:
    """Return a block a kernel; `sized` are the sizes that have the efficiency asked for, None if far off."""
    own = [p for p in plan.points if p.id in found]
    shares = next((list(f.shares) for f in found.values() if f.shares), [])
    blocks = []
    for kernel in dict.fromkeys(p.kernel for p in own):
        points = [p for p in own if p.kernel == kernel]
        header = (*HEADER, *shares, *(["size wanted"] if sized else []))
        lines = [_cells(p, found[p.id], sized) for p in points]
        title = f"{kernel}, {table.described(points[0].metric)}, predicted; messages of the busiest rank"
        blocks.append("\n".join([title, *aligned([header, *lines])]))
        if shares:
            blocks.append("\n".join(taken_over(points, found)))
    reasons: dict[str, int] = {}
    for said in why.values():
        reasons[said] = reasons.get(said, 0) + 1
    left = [f"not predicted: {said} ({n} points)" for said, n in reasons.items()]
    return "\n\n".join([*blocks, *(["\n".join(left)] if left else [])])


def _cells(point: Point, one: Prediction, sized: Mapping[str, int | None]) -> tuple[str, ...]:
    wanted = [f"{sized[point.id]:,}" if sized[point.id] else "far off"] if point.id in sized else []
    return (
        point.label,
        str(point.layout["nodes"]),
        f"{point.cores:,}",
        brief(point),
        f"{one.seconds:.4g}",
        table.shown(point.value(one.seconds)),
        f"{one.messages:,}",
        f"{one.bytes:,}",
        *(f"{share:.0%}" for share in (one.shares or {}).values()),
        *wanted,
    )


def taken_over(points: list[Point], found: Mapping[str, Prediction]) -> list[str]:
    """Return a line a runtime: what takes most of the time at first, and from where on another does."""
    lines = []
    for label in dict.fromkeys(p.label for p in points):
        own = sorted((p for p in points if p.label == label), key=lambda p: p.cores)
        most = [(p, max(s, key=lambda name: s[name])) for p in own if (s := found[p.id].shares)]
        if not most:
            continue
        said = [f"{label}: {most[0][1]} takes most"]
        said += [
            f"from {table.shown(b.cores)} cores on {after}"
            for (_, before), (b, after) in pairwise(most)
            if after != before
        ]
        lines.append("; ".join(said))
    return lines
