"""The rows of a sweep, each of one place: what was measured elsewhere stands beside it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from prk.harness.analyse import rows
from prk.harness.analyse.origin import Origin
from prk.harness.analyse.results import Loaded
from prk.harness.analyse.rows import Opened, Row


def placed(sweep: Opened) -> Opened:
    """Return a sweep whose rows are each of one place."""
    return replace(sweep, rows=apart(sweep, sweep.loaded.origins))


def apart(sweep: Opened, found: Sequence[Origin]) -> list[Row]:
    """Return the sweep's rows; a point that was measured in several places has a row for each of them."""
    if len(found) < 2:
        return sweep.rows
    plan, loaded = sweep.plan, sweep.loaded
    elsewhere = set[tuple[str, int]]().union(*(one.launches for one in found[1:]))
    # What failed has no place: it stays with the first one.
    first = {p: [r for r in own if (p, r.repeat) not in elsewhere] for p, own in loaded.results.items()}
    moved = Counter(p for p, _ in elsewhere)
    made = [
        replace(row, planned=row.planned - moved[row.point.id])
        for row in rows.rows(plan, replace(loaded, results=first), sweep.machine)
    ]
    for number, one in enumerate(found[1:], 2):
        points = {p for p, _ in one.launches}
        own = {p: [r for r in loaded.results[p] if (p, r.repeat) in one.launches] for p in points}
        some = replace(plan, points=tuple(p for p in plan.points if p.id in points), order=())
        made += [_placed(row, number) for row in rows.rows(some, Loaded(own, []), sweep.machine)]
    order = {p.id: place for place, p in enumerate(plan.points)}
    return sorted((r for r in made if r.planned), key=lambda row: order[row.point.id.partition("-")[0]])


def _placed(row: Row, number: int) -> Row:
    """Return a row as one of another place than the first, which stands beside its runtime."""
    variant = f"{row.point.variant} [{number}]".strip()
    point = replace(row.point, id=f"{row.point.id}-{number}", variant=variant)
    return replace(row, point=point, planned=row.counts.total())


def label(row: Row) -> str:
    """Return a row's label without its place."""
    return re.sub(r" \[\d+\]$", "", row.point.label)
