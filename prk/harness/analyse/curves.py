"""The numbers behind the figures: series over nodes or cores, their base, gaps and flags. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from prk.cost import Cost
from prk.harness.analyse.rows import Row, number, size
from prk.harness.analyse.statistics import median_interval
from prk.metric import Metric
from prk.problem import Curve
from prk.run import registry

# An efficiency above this is not believed without a word: cache effects, a noisy base.
SUSPICIOUS = 1.05


@dataclass(frozen=True)
class Dot:
    """One measured point of a series: value, its interval where there is one, and whether it is flagged."""

    x: int
    y: float
    low: float
    high: float
    flagged: bool = False


@dataclass
class Series:
    """One runtime, or one variant of it: what was measured, and where something is missing and why."""

    runtime: str
    label: str
    dots: list[Dot] = field(default_factory=list)
    gaps: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Panel:
    """All that one figure shows; `why` says why there is nothing to draw."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: list[Series] = field(default_factory=list)
    # Other lines: label to (x, y) pairs.
    lines: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    why: str = ""


def groups(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows that belong into one figure, by kernel and by what they have in common.

    Rows of one `figure` in the sweep stand together; others where all parameters are equal.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.point.kernel, row.point.figure or size(row.point)), []).append(row)
    return found


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Return every figure of a sweep: scaling, efficiency and fraction of bound for each group of rows."""
    found = []
    for index, ((kernel, what), own) in enumerate(groups(rows).items()):
        name = f"{kernel}-{index}"
        problem = registry.problem_class(kernel)
        scaling = normalised if problem.relative else absolute
        kinds = {"scaling": scaling, "efficiency": efficiency, "bound": fraction}
        if not any(_bounded(r) for r in own):
            del kinds["bound"]
        for kind, make in kinds.items():
            panel = make(own)
            panel.name = f"{name}-{kind}"
            panel.notes[:0] = [what]
            found.append(panel)
        for place, curve in enumerate(problem.curves):
            panel = tabular(own, curve)
            if panel.why and any(row.own for row in own):
                # Their tables have no such value: training without a target has no time to it.
                continue
            panel.name = f"{name}-table-{place}"
            panel.notes[:0] = [what]
            found.append(panel)
    return found


def _bounded(row: Row) -> bool:
    """Tell whether something bounds the point, once the machine is measured."""
    return row.point.cost != Cost() and row.point.metric.kind in ("throughput", "latency")


def tabular(rows: Sequence[Row], curve: Curve) -> Panel:
    """Return a column of the records' own tables: the median of all launches, and its interval."""
    headings = registry.problem_class(rows[0].point.kernel).headings
    over = headings[curve.x][0] if curve.x else "cores"
    panel = Panel("", f"{_title(rows)}: {curve.title}", over, headings[curve.y][0])
    label = labels(rows)
    series: dict[str, Series] = {}
    for row in sorted(rows, key=_cores):
        name = label[row.point.id]
        if curve.x:
            name = f"{name}, {_count(row.point.cores, 'core')}"
        values: dict[int, list[float]] = {}
        for line in row.own:
            if line.get(curve.y) is not None:
                values.setdefault(line[curve.x] if curve.x else row.point.cores, []).append(line[curve.y])
        one = series.setdefault(name, Series(row.point.runtime, name))
        for x, ys in sorted(values.items()):
            interval = median_interval(ys)
            low, high = (interval.low, interval.high) if interval else (median(ys), median(ys))
            one.dots.append(Dot(x, median(ys), low, high))
    panel.series = [s for s in series.values() if s.dots]
    if not panel.series:
        panel.why = f"no valid launch states {panel.y_label}"
    return panel


def over_nodes(rows: Sequence[Row]) -> bool:
    """Tell whether the rows differ in nodes; otherwise they are shown over cores."""
    return len({r.point.layout["nodes"] for r in rows}) > 1


def absolute(rows: Sequence[Row]) -> Panel:
    """Return the first metric as it is over cores, with the ideal line and the bound."""
    x, metric = _resources(rows), _metric(rows)

    def shown(value: float) -> float:
        return metric.shown(value)[0]

    panel = Panel("", f"{_title(rows)}: {metric.name}", "cores", f"{metric.name} ({metric.shown(0)[1]})")
    _fill(panel, rows, x, lambda row, value: shown(value))
    base = _base(rows, x)
    if base:
        xs = sorted({x(r) for r in rows})
        x0, y0 = x(base), shown(_median(base))
        panel.lines[f"ideal, from {base.point.label} on {_count(x0, 'core')}"] = [
            (c, _times_as_good(metric, y0, _gain(metric, c / x0))) for c in xs if c >= x0
        ]
    limits = _limits(rows)
    if limits:
        bound = {x(r): shown(r.bound.value) for r in sorted(rows, key=x) if r.bound}
        panel.lines[f"bound: {limits}"] = list(bound.items())
    return panel


def normalised(rows: Sequence[Row]) -> Panel:
    """Return the first metric on P relative to P times the base on the fewest, as the study shows it."""
    (x, unit), metric = _axis(rows), _metric(rows)
    panel = Panel("", f"{_title(rows)}: normalised performance", f"{unit}s", f"{metric.name} / (P x base)")
    base = _base(rows, x)
    if base is None:
        panel.why = f"no valid run of {registry.BASELINE} to relate the others to"
        _fill(panel, rows, x, lambda row, value: None)
        return panel
    panel.y_label = f"{metric.name} on P {unit}s / (P x base)"
    if not metric.larger_is_better:
        panel.y_label = f"base / (P x {metric.name} on P {unit}s)"
    _fill(panel, rows, x, lambda row, value: _relative(value, row, base, x))
    panel.lines["ideal"] = [(c, 1.0) for c in sorted({x(r) for r in rows})]
    stated = f"{number(_median(base))} {metric.unit}"
    panel.notes.append(f"base: {base.point.label} on {_count(x(base), unit)}, {stated}")
    return panel


def efficiency(rows: Sequence[Row]) -> Panel:
    """Return each runtime's parallel efficiency, relative to itself on the fewest nodes or cores."""
    x, unit = _axis(rows)
    panel = Panel("", f"{_title(rows)}: parallel efficiency", f"{unit}s", "efficiency, relative to itself")
    label = labels(rows)
    bases: dict[str, Row] = {}
    for row in sorted(_drawn(rows), key=x):
        bases.setdefault(label[row.point.id], row)
    if len({x(r) for r in rows}) < 2:
        panel.why = f"all points have the same number of {unit}s"

    def efficient(row: Row, value: float) -> float:
        return _relative(value, row, bases[label[row.point.id]], x)

    _fill(panel, rows, x, efficient, flag=True)
    panel.lines["ideal"] = [(c, 1.0) for c in sorted({x(r) for r in rows})]
    odd = [f"{s.label} on {_count(d.x, unit)}" for s in panel.series for d in s.dots if d.flagged]
    if odd:
        panel.notes.append(f"ringed, over {SUSPICIOUS:.0%}: {', '.join(odd)}")
    return panel


def fraction(rows: Sequence[Row]) -> Panel:
    """Return the fraction of the bound that limits each point."""
    (x, unit), metric = _axis(rows), _metric(rows)
    shown = f"{metric.name} / bound" if metric.larger_is_better else f"bound / {metric.name}"
    panel = Panel("", f"{_title(rows)}: fraction of the bound", f"{unit}s", shown)
    limits = _limits(rows)
    if not limits:
        panel.why = "the machine is not measured: prk-bench machine FOLDER"
        _fill(panel, rows, x, lambda row, value: None)
        return panel
    _fill(panel, rows, x, lambda row, value: metric.ratio(value, row.bound.value) if row.bound else None)
    panel.lines[f"bound: {limits}"] = [(c, 1.0) for c in sorted({x(r) for r in rows})]
    if any(d.y > 1 for s in panel.series for d in s.dots):
        panel.notes.append("above the bound: the data, or part of it, stays in cache")
    return panel


def _metric(rows: Sequence[Row]) -> Metric:
    return rows[0].point.metric


def _gain(metric: Metric, times: float) -> float:
    """Return how many times as good a metric ideally gets on so many times the cores; quality stays."""
    return 1.0 if metric.kind == "quality" else times


def _times_as_good(metric: Metric, value: float, times: float) -> float:
    return value * times if metric.larger_is_better else value / times


def _relative(value: float, row: Row, base: Row, x: Callable[[Row], int]) -> float:
    """Return how good a value is as part of what the base ideally gets on as many cores or nodes."""
    metric = row.point.metric
    return metric.ratio(value, _median(base)) / _gain(metric, x(row) / x(base))


def _limits(rows: Sequence[Row]) -> str:
    """Return what limits the points, as: flop peak or memory bandwidth; nothing if no machine is measured."""
    return " or ".join(sorted({r.bound.limit for r in rows if r.bound}))


def _fill(
    panel: Panel,
    rows: Sequence[Row],
    x: Callable[[Row], int],
    value: Callable[[Row, float], float | None],
    flag: bool = False,
) -> None:
    """Put a series a label into the panel; what cannot be drawn becomes a gap and a note."""
    label = labels(rows)
    series: dict[str, Series] = {}
    apart = []
    for row in sorted(rows, key=x):
        if not row.point.conforming:
            apart.append(f"{row.point.label} on {_count(row.point.cores, 'core')}")
            continue
        one = series.setdefault(label[row.point.id], Series(row.point.runtime, label[row.point.id]))
        if row.summary is None:
            one.gaps.append((x(row), row.state))
            continue
        interval = row.summary.interval
        y = value(row, row.summary.median)
        if y is not None:
            ends = (interval.low, interval.high) if interval else (row.summary.median,) * 2
            low, high = sorted(value(row, end) or y for end in ends)
            one.dots.append(Dot(x(row), y, low, high, flag and y > SUSPICIOUS))
    panel.series = list(series.values())
    if apart:
        panel.notes.append(f"not drawn, non-conforming: {', '.join(apart)}")
    unit = panel.x_label.removesuffix("s")
    panel.notes += [
        f"missing (x): {s.label} on {_count(at, unit)}: {why}" for s in panel.series for at, why in s.gaps
    ]


def labels(rows: Sequence[Row]) -> dict[str, str]:
    """Return the label of each point's series: its runtime and variant, and where needed what sets it apart.

    That is the size, where it is not the usual one on as many cores, and the threads, where one
    runtime's points on as many cores differ by them.
    """
    usual: dict[int, str] = {}
    threads: dict[tuple[str, int], set[int]] = {}
    for row in rows:
        usual.setdefault(row.point.cores, size(row.point))
        threads.setdefault((row.point.label, row.point.cores), set()).add(row.point.layout["threads"])
    split = {label for (label, _), counts in threads.items() if len(counts) > 1}
    found = {}
    for row in rows:
        p = row.point
        odd = [w for w in size(p).split() if w not in usual[p.cores].split()]
        apart = [*odd, *([_count(p.layout["threads"], "thread")] if p.label in split else [])]
        found[p.id] = f"{p.label} ({', '.join(apart)})" if apart else p.label
    return found


def _axis(rows: Sequence[Row]) -> tuple[Callable[[Row], int], str]:
    return (_nodes, "node") if over_nodes(rows) else (_cores, "core")


def _resources(rows: Sequence[Row]) -> Callable[[Row], int]:
    """Return the cores that a row takes up: one a node that is given to communication counts too."""
    each = {-(-r.point.cores // _nodes(r)) for r in rows}
    if over_nodes(rows) and max(each) - min(each) <= 1:
        return lambda row: max(each) * _nodes(row)
    return _cores


def _nodes(row: Row) -> int:
    return row.point.layout["nodes"]


def _cores(row: Row) -> int:
    return row.point.cores


def _drawn(rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if r.summary and r.point.conforming]


def _base(rows: Sequence[Row], x: Callable[[Row], int]) -> Row | None:
    """Return the standard run of the base runtime on the fewest nodes or cores, if it is valid."""
    standard = (r for r in rows if r.point.runtime == registry.BASELINE and not r.point.variant)
    own = [r for r in standard if r.point.conforming]
    first = min(own, key=x, default=None)
    return first if first and first.summary else None


def _median(row: Row) -> float:
    assert row.summary
    return row.summary.median


def _title(rows: Sequence[Row]) -> str:
    return rows[0].point.kernel.capitalize()


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
