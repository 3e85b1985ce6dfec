"""One self-contained page of a sweep: what came out, the figures, every number, what failed and why."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.analyse import curves, daly, imbalance, origin, predicted, swept
from prk.harness.analyse.curves import Panel, counted
from prk.harness.analyse.results import Loaded
from prk.harness.analyse.rows import Opened
from prk.harness.plan.points import Plan
from prk.harness.show import balancing, faults, figures, method, overview, portrait, split, style, table
from prk.machine import bounds
from prk.problem import Refusal
from prk.records import write
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
    placed = predicted.shown(sweep)
    panels = every(placed)
    drawn = figures.write_panels(sweep.kept, panels, style.FORMATS)
    page = rendered(placed, panels)
    with store.refuse_unwritable(path):
        write.replace(path, page.encode())
    return [*drawn, path]


def render(sweep: Opened) -> str:
    """Return the page as HTML that asks for nothing else."""
    placed = predicted.shown(sweep)
    return rendered(placed, every(placed))


def every(sweep: Opened) -> list[Panel]:
    """Return all figures of a sweep whose rows are each of one place."""
    made = (curves.panels, swept.panels, daly.panels, imbalance.panels)
    return [panel for panels in made for panel in panels(sweep.rows)]


def rendered(sweep: Opened, panels: Sequence[Panel]) -> str:
    """Return the page of a sweep whose rows are each of one place."""
    plan, loaded, rows = sweep.plan, sweep.loaded, sweep.rows
    places = loaded.origins
    jinja = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return jinja.from_string(TEMPLATE.read_text()).render(
        plan=plan,
        folder=sweep.kept.folder.name,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        headline=headline(plan, loaded),
        statuses=statuses(plan, loaded),
        elsewhere=origin.told(places),
        overview=overview.of([r for r in rows if not r.predicted]),
        sections=sections(panels),
        splits=split.of(plan, loaded),
        kinds=split.KINDS,
        befallen=faults.lines(rows),
        befallen_header=faults.HEADER,
        balanced=balancing.lines(rows),
        balanced_header=balancing.HEADER,
        portraits=portrait.tables(rows),
        crossovers=balancing.crossovers(rows),
        crossovers_header=balancing.PAYS,
        units={r.point.kernel: table.described(r.point.metric) for r in rows},
        header=table.HEADER,
        lines=[[cell(c) for c in table.cells(r, over)] for over in [curves.exceeded(rows)] for r in rows],
        footnotes=table.footnotes(rows),
        troubles=troubles(plan, loaded),
        problems=loaded.problems,
        warnings=sorted({w for r in rows for w in r.warnings}),
        machine=bounds.named(sweep.machine) if sweep.machine else [],
        method=method.of(plan, rows, places),
        commands=places[0].commands if places else {},
    )


def headline(plan: Plan, loaded: Loaded) -> str:
    """Return the one sentence that says how it went."""
    kernels = {p.kernel for p in plan.points}
    runtimes = {p.runtime for p in plan.points}
    right = sum(loaded.counts()[status] for status in RIGHT)
    total = len(plan.order)
    if not total:
        points = counted(len(plan.points), "point")
        return f"{points}, predicted by a model; nothing was measured."
    how = "all of them right" if right == total else f"{right} of them right, {total - right} not (see below)"
    return (
        f"{counted(len(kernels), 'kernel')} on {counted(len(runtimes), 'runtime')}, "
        f"{counted(len(plan.points), 'point')}, {counted(total, 'launch', 'es')}: {how}."
    )


def statuses(plan: Plan, loaded: Loaded) -> list[tuple[str, int]]:
    """Return the number of launches by status, those that never ran too."""
    return table.states(plan, loaded).most_common()


def sections(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return the figures by kernel, as inline SVG, with what is said of them; and what is not drawn."""
    found: dict[str, dict[str, Any]] = {}
    for panel in panels:
        kernel = panel.name.partition("-")[0]
        section = found.setdefault(kernel, {"kernel": kernel, "figures": [], "missing": []})
        if not panel.drawable:
            section["missing"].append(f"{panel.title.partition(': ')[2]}: {panel.reason}")
            continue
        svg = figures.rendered(figures.draw(panel, notes=False), "svg", panel.name).decode()
        shown = Markup(inline(svg, panel.name, panel.title))
        section["figures"].append({"svg": shown, "notes": [panel.legend, *panel.notes], "about": panel.about})
    return list(found.values())


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
        missing = plan.planned[p.id] - len(results) - never.total()
        if missing:
            found[str(p), "missing", "not run yet: prk-bench continue"] = missing
    return [
        {"point": point, "status": status, "reason": reason, "launches": str(n)}
        for (point, status, reason), n in found.items()
    ]
