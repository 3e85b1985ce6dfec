"""The first metric over a runtime's own option that takes numbers, as how much is aggregated. Pure."""

from collections.abc import Iterator, Sequence

from prk.harness.analyse import curves
from prk.harness.analyse.curves import Panel, Series, counted
from prk.harness.analyse.rows import Row, remarks
from prk.run.faults import options as faults

# Values from which on a curve says more than a table.
FEWEST = 4


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Return a figure for each option of which a runtime has enough values of one problem."""
    found: list[Panel] = []
    usual = [row for row in rows if not faults.asked(row.point.options)]
    for (kernel, what), own in curves.groups(usual).items():
        for runtime, option in _options(own):
            panel = over(own, runtime, option)
            panel.name = f"{kernel}-over-{runtime}-{option}-{len(found)}"
            panel.about = curves.about(own, what)
            found.append(panel)
    return found


def _options(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield runtimes and their options of which there are enough values on as many cores."""
    values: dict[tuple[str, str, int], set[float]] = {}
    for row in rows:
        p = row.point
        for name, value in p.options.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault((p.runtime, name, p.cores), set()).add(value)
    yield from dict.fromkeys(key[:2] for key, several in values.items() if len(several) >= FEWEST)


def over(rows: Sequence[Row], runtime: str, option: str) -> Panel:
    """Return the first metric over an option, a line for all else that differs; other runtimes stay level."""
    metric = rows[0].point.metric
    unit = metric.shown(0)[1]
    panel = Panel(
        "",
        f"{rows[0].point.kernel.capitalize()} on {runtime}: {metric.name} over {option}",
        option,
        f"{metric.name} ({unit})",
    )
    own = [row for row in rows if row.point.runtime == runtime and row.point.conforming]
    places = [row.point.options[option] for row in own]
    series: dict[str, Series] = {}
    for row in sorted(own, key=lambda one: one.point.options[option]):
        p = row.point
        apart = ",".join(w for w in p.variant.split(",") if w.partition("=")[0] != option)
        name = f"{f'{runtime} {apart}'.strip()}, {counted(p.cores, 'core')}"
        line = series.setdefault(name, Series(runtime, name))
        if row.summary:
            line.dots.append(curves.dot(row, p.options[option]))
        else:
            line.gaps.append((p.options[option], row.state))
    panel.series = list(series.values())
    for row in rows:
        p = row.point
        if p.runtime != runtime and p.conforming and row.summary:
            level = curves.dot(row, 0).y
            ends = [(place, level) for place in (min(places), max(places))]
            panel.lines[f"{p.label}, {counted(p.cores, 'core')}"] = ends
    panel.notes = remarks(own)
    return panel
