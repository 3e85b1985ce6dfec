"""What a launch is expected to take: as records of it say, else as somebody says, else its limit."""

import contextlib
import math
import re
from collections.abc import Sequence

from prk.harness.plan.points import Plan, Point
from prk.harness.slurm.jobs import Expected
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity
from prk.records import read as record
from prk.records.build import RIGHT

# How much longer than the longest so far the next one may take.
MARGIN = 2.0
# Seconds, by commas, each but the first after the number of nodes from which on they hold.
STATED = re.compile(r"(?:(?P<nodes>\d+):)?(?P<seconds>\d+(?:\.\d+)?)")


def expected(plan: Plan, sweeps: Sequence[Store], text: str) -> Expected:
    """Return the seconds of a launch of each point, by the records of sweeps and by what `text` states."""
    taken: dict[str, float] = {}
    ids = {p.id for p in plan.points}
    for kept in sweeps:
        for name in kept.names():
            # What is no record of this plan says nothing of it.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                point = identity.launch_of(name)[0]
                if point in ids and (found := record.read(kept.path(name)))["status"] in RIGHT:
                    taken[point] = max(taken.get(point, 0.0), float(found["launch"]["seconds"]))
    by_nodes = stated(text)

    def seconds(point: Point) -> float:
        if point.id in taken:
            return MARGIN * taken[point.id]
        return next((s for least, s in by_nodes if point.layout["nodes"] >= least), math.inf)

    return seconds


def stated(text: str) -> list[tuple[int, float]]:
    """Return (from how many nodes on, seconds), the most nodes first, of "30,64:90,512:240"."""
    found = [STATED.fullmatch(word) for word in text.split(",")] if text else []
    rows = [(int(m["nodes"] or 1), float(m["seconds"])) for m in found if m]
    if len(rows) < len(found) or any(not s for _, s in rows):
        raise Refusal("--estimate", f"{text!r} are no seconds", "use 30, or by node count: 30,64:90,512:240")
    return sorted(rows, reverse=True)
