"""One self-contained page of a sweep: what came out, the figures, every number, what failed and why."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.analyse import curves
from prk.harness.analyse.results import Loaded
from prk.harness.analyse.rows import Opened, Row
from prk.harness.plan.points import Plan
from prk.harness.show import figures, style, table
from prk.harness.store import Store
from prk.machine import bounds
from prk.problem import Refusal
from prk.records import identity, placement, read, write
from prk.records.build import RIGHT

try:
    import jinja2
    from markupsafe import Markup
except ImportError:
    raise Refusal("report", "jinja2 is not installed", "pip install 'prk[plot]'") from None

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_all(sweep: Opened) -> list[Path]:
    """Draw the figures and write the page into the sweep's folder; return where they are. Raises Refusal."""
    path = sweep.kept.folder / "report.html"
    drawn = figures.write_all(sweep, style.FORMATS)
    page = render(sweep)
    with store.refuse_unwritable(path):
        write.replace(path, page.encode())
    return [*drawn, path]


def render(sweep: Opened) -> str:
    """Return the page as HTML that asks for nothing else."""
    kept, plan, loaded, rows = sweep.kept, sweep.plan, sweep.loaded, sweep.rows
    jinja = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return jinja.from_string(TEMPLATE.read_text()).render(
        plan=plan,
        folder=kept.folder.name,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        headline=headline(plan, loaded),
        statuses=statuses(plan, loaded),
        overview=overview(rows),
        sections=sections(rows),
        units={r.point.kernel: table.described(r.point.metric) for r in rows},
        header=table.HEADER,
        lines=[[cell(c) for c in table.cells(r)] for r in rows],
        troubles=troubles(plan, loaded),
        problems=loaded.problems,
        warnings=sorted({w for r in rows for w in r.warnings}),
        machine=bounds.named(sweep.machine) if sweep.machine else [],
        environment=environment_of(kept, plan, loaded),
        fewest=min((r.summary.samples for r in rows if r.summary), default=0),
    )


def headline(plan: Plan, loaded: Loaded) -> str:
    """Return the one sentence that says how it went."""
    kernels = {p.kernel for p in plan.points}
    runtimes = {p.runtime for p in plan.points}
    right = sum(loaded.counts()[status] for status in RIGHT)
    total = len(plan.order)
    how = "all of them right" if right == total else f"{right} of them right, {total - right} not (see below)"
    return (
        f"{_count(len(kernels), 'kernel')} on {_count(len(runtimes), 'runtime')}, "
        f"{_count(len(plan.points), 'point')}, {_count(total, 'launch', 'es')}: {how}."
    )


def statuses(plan: Plan, loaded: Loaded) -> list[tuple[str, int]]:
    """Return the number of launches by status, those that never ran too."""
    return table.states(plan, loaded).most_common()


def overview(rows: Sequence[Row]) -> dict[str, Any]:
    """Return every kernel's and runtime's best median on the most cores, with its share of the best."""
    cells: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row.point.runtime, row.point.kernel
        there = cells.get(key)
        if row.point.conforming and (there is None or _before(there, row)):
            cells[key] = row
    kernels = list(dict.fromkeys(r.point.kernel for r in rows))
    best = {k: _best(r for (_, kernel), r in cells.items() if kernel == k) for k in kernels}
    lines = []
    for runtime in dict.fromkeys(r.point.runtime for r in rows):
        line = [_overview_cell(cells.get((runtime, k)), best[k]) for k in kernels]
        lines.append({"runtime": runtime, "colour": style.of(runtime).colour, "cells": line})
    metrics = {r.point.kernel: r.point.metric for r in rows}
    units = {k: table.described(m, m.shown(0)[1]) for k, m in metrics.items()}
    return {"kernels": [(k, units[k]) for k in kernels], "lines": lines}


def _before(a: Row, b: Row) -> bool:
    """Tell whether `b` says more: it is on more cores, or on as many with a better median."""
    if a.point.cores != b.point.cores:
        return a.point.cores < b.point.cores
    if a.summary is None or b.summary is None:
        return b.summary is not None
    return b.point.metric.better(b.summary.median, a.summary.median)


def _best(rows: Iterable[Row]) -> float | None:
    """Return the best median of one kernel's rows."""
    found = [(r.point.metric, r.summary.median) for r in rows if r.summary]
    return max(found, key=lambda one: one[0].ratio(one[1], 1.0))[1] if found else None


def _overview_cell(row: Row | None, best: float | None) -> dict[str, Any]:
    if row is None:
        return {"text": "", "note": "", "share": 0, "best": False}
    if row.summary is None or best is None:
        return {"text": row.state, "note": f"on {_count(row.point.cores, 'core')}", "share": 0, "best": False}
    median, metric = row.summary.median, row.point.metric
    note = f"{row.point.variant} on {_count(row.point.cores, 'core')}".strip()
    if row.fraction is not None:
        note += f", {row.fraction:.0%} of bound"
    return {
        "text": shown(metric.shown(median)[0]),
        "note": note,
        "share": round(100 * metric.ratio(median, best)),
        "best": median == best,
    }


def shown(value: float) -> str:
    """Return three digits and no exponent, as: 0.512, 13.7, 13,100."""
    digits = 2 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def sections(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the figures by kernel, each as inline SVG."""
    found: dict[str, list[Markup]] = {}
    for panel in curves.panels(rows):
        svg = figures.rendered(figures.draw(panel), "svg", panel.name).decode()
        found.setdefault(panel.name.partition("-")[0], []).append(
            Markup(inline(svg, panel.name, panel.title))
        )
    return [{"kernel": k, "figures": v} for k, v in found.items()]


def inline(svg: str, name: str, title: str) -> str:
    """Return an SVG document as an element of a page, its identifiers its own."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id=")', rf"\1{name}.", body)
    body = re.sub(r'(href="#|url\(#)', rf"\1{name}.", body)
    body = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", body, count=1)
    body = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", body, count=1)
    return body.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def cell(text: str) -> dict[str, str]:
    """Return a table's cell with the key by which its column is sorted."""
    plain = text.rstrip("%")
    try:
        return {"text": text, "key": f"{float(plain):.9g}", "kind": "number"}
    except ValueError:
        return {"text": text, "key": text, "kind": "bad" if _bad(text) else ""}


def _bad(text: str) -> bool:
    return bool(re.match(r"\d+ (failed|timeout|oom|cancelled|invalid|missing|never started|skipped)", text))


def troubles(plan: Plan, loaded: Loaded) -> list[dict[str, str]]:
    """Return every launch that gave no result, with the reason; those of one point and reason together."""
    found: dict[tuple[str, str, str], int] = {}
    for p in plan.points:
        results = loaded.results[p.id]
        for r in results:
            if r.status != "ok":
                key = (str(p), r.status, r.reason or "")
                found[key] = found.get(key, 0) + 1
        never = Counter(loaded.never_started.get(p.id, []))
        for reason, n in never.items():
            found[str(p), "never started", reason.partition(": ")[2]] = n
        missing = plan.repeat - len(results) - never.total()
        if missing:
            found[str(p), "missing", "not run yet: prk-bench continue"] = missing
    return [
        {"point": point, "status": status, "reason": reason, "launches": str(n)}
        for (point, status, reason), n in found.items()
    ]


def environment_of(kept: Store, plan: Plan, loaded: Loaded) -> list[tuple[str, str]]:
    """Return machine and versions as the first valid record of each runtime states them."""
    facts: dict[str, dict[str, list[str]]] = {}
    for runtime in dict.fromkeys(p.runtime for p in plan.points):
        results = (r for p in plan.points if p.runtime == runtime for r in loaded.results[p.id])
        first = next((r for r in results if r.status in RIGHT), None)
        if first:
            found = read.read(kept.path(identity.launch_name(first.point, first.repeat)))
            for name, value in _facts(found):
                facts.setdefault(name, {}).setdefault(value, []).append(runtime)
    return [
        (name, value if len(values) == 1 and len(who) > 1 else f"{value} ({', '.join(who)})")
        for name, values in facts.items()
        for value, who in values.items()
    ]


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what one record says of machine, system, versions and messages."""
    environment = found["environment"]
    hosts = placement.hosts(found["placement"])
    git = environment.get("git") or {}
    commit = f"{git.get('commit', '')[:12]}{', with changes' if git.get('dirty') else ''}" if git else ""
    named = {
        "processor": environment.get("cpu"),
        "cores": environment.get("cores"),
        "frequency governor": environment.get("governor"),
        "hosts": f"{len(hosts)}" if len(hosts) > 1 else "",
        "system": environment.get("system"),
        "prk": f"{found['prk']} {commit}".strip(),
        **{k: environment.get(k) for k in ("python", "numpy", "numba")},
        **found.get("communication", {}),
    }
    return [(k, str(v)) for k, v in named.items() if v not in (None, "")]


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{plural}"
