"""Which points need more launches before their intervals are as narrow as asked for. Pure."""

from prk.harness.analyse.rows import Opened, Row
from prk.harness.analyse.statistics import CONFIDENCE
from prk.records.build import RIGHT

# Launches that give a 95 % interval of the median at all.
FEWEST = 6


def wanted(sweep: Opened, target: float, most: int) -> dict[str, int]:
    """Return the launches in all of the points whose interval reaches further than `target` from its median.

    They grow by a quarter, so that looking often does not find what chance made narrow. A point of which a
    launch did not go well is left alone: more of them would not help it.
    """
    found = {}
    for row in sweep.rows:
        right = sum(row.counts[status] for status in RIGHT) == row.planned
        if right and row.planned < most and reach(row) > target:
            found[row.point.id] = min(most, max(FEWEST, row.planned + -(-row.planned // 4)))
    return found


def reach(row: Row) -> float:
    """Return how far the 95 % interval reaches from the median, as part of it; infinite if there is none."""
    summary = row.summary
    if summary is None or summary.interval is None or summary.interval.confidence < CONFIDENCE:
        return float("inf")
    ends = summary.interval.low, summary.interval.high
    return max(abs(end - summary.median) for end in ends) / summary.median
