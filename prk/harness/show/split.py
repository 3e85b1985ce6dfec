"""Where the time of a repetition went, as the page's bars: computing, communicating, waiting. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from prk.harness.analyse.results import Loaded
from prk.harness.plan.points import Plan, Point
from prk.harness.show import style

# Kinds with their colours, as timelines have them.
KINDS = {"computing": "#c9d7e8", "communicating": "#2f7ab8", "waiting": "#e08214"}
# Ranks up to which each of a point has a bar of its own.
EACH = 8

Means = Mapping[str, float]


def of(plan: Plan, loaded: Loaded) -> list[dict[str, Any]]:
    """Return a group of bars for each point whose records say where the time went, in the plan's order."""
    found = []
    for point in plan.points:
        splits = [result.split for result in loaded.results[point.id] if result.split]
        if splits:
            found.append(_group(point, splits[0]))
    return found


def _group(point: Point, ranks: Sequence[Means]) -> dict[str, Any]:
    size = " ".join(f"{name} {value}" for name, value in point.parameters.items() if name != "iterations")
    longest = max(sum(rank.values()) for rank in ranks)
    return {
        "kernel": point.kernel,
        "runtime": point.label,
        "colour": style.of(point.runtime).colour,
        "size": size,
        "ranks": len(ranks),
        "bars": [_bar(label, means, longest) for label, means in chosen(ranks)],
    }


def chosen(ranks: Sequence[Means]) -> list[tuple[str, Means]]:
    """Return the bars of a point: one a rank; of many ranks their mean, and who waits least and most."""
    if len(ranks) <= EACH:
        return [(f"rank {number}", rank) for number, rank in enumerate(ranks)]
    mean = {kind: sum(rank[kind] for rank in ranks) / len(ranks) for kind in KINDS}
    by_waiting = sorted(range(len(ranks)), key=lambda number: ranks[number]["waiting"])
    least, most = by_waiting[0], by_waiting[-1]
    return [
        ("mean", mean),
        (f"rank {least}, waits least", ranks[least]),
        (f"rank {most}, waits most", ranks[most]),
    ]


def _bar(label: str, means: Means, longest: float) -> dict[str, Any]:
    """Return one bar: its parts as percentages of the longest bar, and in words as those of its own."""
    total = sum(means.values())
    return {
        "label": label,
        "seconds": f"{total:.3g} s",
        "parts": [(colour, f"{100 * means[kind] / longest:.2f}") for kind, colour in KINDS.items()],
        "shares": [f"{100 * means[kind] / total:.0f} %" for kind in KINDS],
    }
