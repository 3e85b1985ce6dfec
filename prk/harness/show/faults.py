"""What failures cost, as the page's table. Pure."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from prk.harness.analyse.daly import RECOVERY
from prk.harness.analyse.rows import Row, brief, number
from prk.run.faults import options

HEADER = (
    "point", "state", "recovery", "every", "ranks", "died", "checkpoint (ms)",
    *(f"{part} (ms)" for part in (*RECOVERY, "repeated")), "useful",
)  # fmt: skip


def lines(rows: Sequence[Row]) -> list[list[str]]:
    """Return a line for each point that was to outlive failures and has a record; medians over failures."""
    return [_line(row) for row in rows if row.faults and options.asked(row.point.options)]


def _line(row: Row) -> list[str]:
    point, given = row.point, row.point.options
    failures = [f for one in row.faults for f in one["failures"]]
    saved = [one["checkpoint_seconds"] for one in row.faults if one["checkpoints"]]
    useful = [one["useful"] for one in row.faults if one["useful"]]
    return [
        f"{point.kernel} on {point.runtime} {brief(point)}",
        given["state"],
        given["recovery"],
        str(given["checkpoint"] or ""),
        str(point.layout["ranks"]),
        ", ".join(str(one["died"]) for one in row.faults),
        number(1e3 * median(saved)) if saved else "",
        *(_span(failures, part) for part in (*RECOVERY, "repeated")),
        f"{100 * median(useful):.1f} %" if useful else "",
    ]


def _span(failures: Sequence[Mapping[str, Any]], part: str) -> str:
    known = [1e3 * f[part] for f in failures if f[part] is not None]
    return number(median(known)) if known else ""
