"""What came out at a glance: every kernel's and runtime's best, and which no test tells apart. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prk.harness.analyse import curves
from prk.harness.analyse.compare import smallest_p
from prk.harness.analyse.curves import counted
from prk.harness.analyse.rows import Row
from prk.harness.analyse.statistics import CONFIDENCE, holm, mann_whitney
from prk.harness.show import style, table
from prk.problem import Refusal
from prk.run import registry

Cells = Mapping[tuple[str, str], Row]


def of(rows: Sequence[Row]) -> dict[str, Any]:
    """Return a line a runtime, a cell a kernel: its best median on the most cores, as a share of the best.

    Shares and tests are among points on as many cores; a runtime that has none there only says what it has.
    """
    kernels = list(dict.fromkeys(r.point.kernel for r in rows))
    cells: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row.point.runtime, row.point.kernel
        if row.point.conforming and (key not in cells or _before(cells[key], row)):
            cells[key] = row
    among = {k: _on_most([r for (_, kernel), r in cells.items() if kernel == k]) for k in kernels}
    over, best = curves.exceeded(rows), {k: _leaders(own) for k, own in among.items()}
    lines = []
    for runtime in dict.fromkeys(r.point.runtime for r in rows):
        line = [_cell(cells.get((runtime, k)), among[k], best[k], over) for k in kernels]
        look, title = style.of(runtime).colour, _title(runtime)
        lines.append({"runtime": runtime, "title": title, "colour": look, "cells": line})
    return {"kernels": [_head(k, among[k], best[k], rows) for k in kernels], "lines": lines}


def _title(runtime: str) -> str:
    """Return what a runtime is an implementation of, if it is one that can be imported."""
    try:
        return registry.runtime(runtime).title if runtime in registry.runtimes() else ""
    except Refusal:
        return ""


def _before(a: Row, b: Row) -> bool:
    """Tell whether `b` says more: it is on more cores, or on as many with a better median."""
    if a.point.cores != b.point.cores:
        return a.point.cores < b.point.cores
    if a.summary is None or b.summary is None:
        return b.summary is not None
    return b.point.metric.better(b.summary.median, a.summary.median)


def _on_most(own: Sequence[Row]) -> list[Row]:
    """Return the valid rows on the most cores, the best first."""
    valid = [r for r in own if r.summary]
    most = max((r.point.cores for r in valid), default=0)
    return sorted((r for r in valid if r.point.cores == most), key=_goodness, reverse=True)


def _goodness(row: Row) -> float:
    assert row.summary
    return row.point.metric.ratio(row.summary.median, 1.0)


def _leaders(own: Sequence[Row]) -> list[Row]:
    """Return the best row and all that a test does not tell from it; none where no test could tell any."""
    others = own[1:]
    tests = len(others)
    if not own or any(
        tests * smallest_p(len(own[0].values), len(r.values)) >= 1 - CONFIDENCE for r in others
    ):
        return []
    ps = holm([mann_whitney(own[0].values, r.values) for r in others])
    return [own[0], *(r for r, p in zip(others, ps, strict=True) if p >= 1 - CONFIDENCE)]


def _head(kernel: str, among: Sequence[Row], best: Sequence[Row], rows: Iterable[Row]) -> dict[str, str]:
    """Return a kernel's name, its unit, and of what its bars are shares."""
    metric = next(r.point.metric for r in rows if r.point.kernel == kernel)
    where = counted(among[0].point.cores, "core") if among else "no valid run"
    untold = "" if best or not among else "; too few launches to tell the best"
    return {"kernel": kernel, "unit": table.described(metric, metric.shown(0)[1]), "where": where + untold}


def _cell(
    row: Row | None, among: Sequence[Row], best: Sequence[Row], over: Mapping[str, str]
) -> dict[str, Any]:
    if row is None:
        return {"text": "", "note": "", "share": 0, "best": False}
    where = "" if row in among else f"on {counted(row.point.cores, 'core')} only"
    if row.summary is None:
        return {"text": row.state, "note": where, "share": 0, "best": False}
    metric = row.point.metric
    fraction = row.fraction if row.point.id not in over else None
    said = [row.point.variant, where, f"{fraction:.0%} of bound" if fraction is not None else ""]
    return {
        "text": table.shown(metric.shown(row.summary.median)[0]),
        "note": ", ".join(filter(None, said)),
        "share": round(100 * _goodness(row) / _goodness(among[0])) if row in among else 0,
        "best": any(row is one for one in best),
    }
