"""One self-contained page of a sweep: what came out, the figures, every number, what failed and why."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prk.harness import bounds, curves, figures, machine, store, style, table
from prk.harness.plan import Plan
from prk.harness.store import Loaded, Store
from prk.harness.table import Row
from prk.problem import Refusal

try:
    import jinja2
    from markupsafe import Markup
except ImportError:
    raise Refusal("report", "jinja2 is not installed", "pip install 'prk[plot]'") from None

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write(kept: Store) -> Path:
    """Write the page into the sweep's folder; return its path. Raises Refusal if it cannot be written."""
    path = kept.folder / "report.html"
    page = render(kept)
    with store.refuse_unwritable(path):
        store.replace(path, page.encode())
    return path


def render(kept: Store) -> str:
    """Return the page as HTML that asks for nothing else."""
    plan = kept.plan()
    loaded = store.load(kept, plan)
    measured = bounds.read(kept.machine)
    rows = table.rows(plan, loaded, measured)
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
        units={r.point.kernel: r.point.unit for r in rows},
        header=table.HEADER,
        lines=[[cell(c) for c in table.cells(r)] for r in rows],
        troubles=troubles(plan, loaded),
        problems=loaded.problems,
        warnings=sorted({w for r in rows for w in r.warnings}),
        machine=machine.named(measured) if measured else [],
        environment=environment_of(kept, plan, loaded),
        fewest=min((r.summary.samples for r in rows if r.summary), default=0),
    )


def headline(plan: Plan, loaded: Loaded) -> str:
    """Return the one sentence that says how it went."""
    kernels = {p.kernel for p in plan.points}
    runtimes = {p.runtime for p in plan.points}
    right = loaded.counts()["ok"]
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
        if row.point.conforming and (there is None or _standing(row) > _standing(there)):
            cells[key] = row
    kernels = list(dict.fromkeys(r.point.kernel for r in rows))
    best = {
        k: max(
            (r.summary.median for (_, kernel), r in cells.items() if kernel == k and r.summary), default=0.0
        )
        for k in kernels
    }
    lines = []
    for runtime in dict.fromkeys(r.point.runtime for r in rows):
        line = [_overview_cell(cells.get((runtime, k)), best[k]) for k in kernels]
        lines.append({"runtime": runtime, "colour": style.of(runtime).colour, "cells": line})
    units = {r.point.kernel: table.large(r.point.unit)[0] for r in rows}
    return {"kernels": [(k, units[k]) for k in kernels], "lines": lines}


def _standing(row: Row) -> tuple[int, float]:
    """Order rows by cores, then by median; a point without a result keeps its place."""
    return row.point.cores, row.summary.median if row.summary else 0.0


def _overview_cell(row: Row | None, best: float) -> dict[str, Any]:
    if row is None:
        return {"text": "", "note": "", "share": 0, "best": False}
    if row.summary is None:
        return {"text": row.state, "note": f"on {_count(row.point.cores, 'core')}", "share": 0, "best": False}
    median = row.summary.median
    note = f"{row.point.variant} on {_count(row.point.cores, 'core')}".strip()
    if row.fraction is not None:
        note += f", {row.fraction:.0%} of bound"
    return {
        "text": shown(median / table.large(row.point.unit)[1]),
        "note": note,
        "share": round(100 * median / best),
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
        first = next((r for r in results if r.status == "ok"), None)
        if first:
            found = json.loads(kept.path(f"{first.point}-{first.repeat:03d}").read_text())
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
    hosts = sorted({p["host"] for p in found["placement"]})
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
