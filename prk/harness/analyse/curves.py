"""The numbers behind the figures: series over nodes or cores, their base, gaps and flags. Pure."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from prk.cost import Cost
from prk.harness.analyse.rows import Row, number, remarks, size
from prk.harness.analyse.statistics import Interval, median_interval, ratio
from prk.metric import Metric
from prk.problem import Curve, Map
from prk.records.build import RIGHT
from prk.run import registry
from prk.run.faults import options as faults

# An efficiency above this is not believed without a word (cache effects, a noisy base), and a bound that is
# exceeded by as much is none.
SUSPICIOUS = 1.05
# Of how many points a figure over an order is drawn at most.
FEW = 6


@dataclass(frozen=True)
class Dot:
    """One measured point of a series: its value, the interval where there is one, and every sample."""

    x: float
    y: float
    interval: Interval | None = None
    samples: tuple[float, ...] = ()
    # How many launches of how many are in it, if not all are.
    partly: str = ""
    flagged: bool = False


@dataclass
class Series:
    """One runtime, or one variant of it: what was measured, and where something is missing and why."""

    runtime: str
    label: str
    # What a model says, and nobody has measured.
    predicted: bool = False
    dots: list[Dot] = field(default_factory=list)
    gaps: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class Panel:
    """All that one figure shows; `why` says why there is nothing to draw."""

    name: str
    title: str
    x_label: str
    y_label: str
    # Parameters, iterations, launches: what the figure is of.
    about: str = ""
    # What the markers are.
    marker: str = "median"
    series: list[Series] = field(default_factory=list)
    # What x must not exceed, by label: upright lines.
    limits: dict[str, float] = field(default_factory=dict)
    # Other lines: label to (x, y) pairs.
    lines: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    why: str = ""
    # Whether x is a place in an order, or a small range, which is not logarithmic; and where it begins.
    linear: bool = False
    first: float = 0.0
    # Of a map, the value at each (x, y), which may be words, and what something published states.
    cells: dict[tuple[Any, Any], float] = field(default_factory=dict)
    marked: tuple[float, float] | None = None
    # Of a map: whether more is better, 1, or less, -1; the x that stands at the end.
    better: int = 1
    last: float | None = None

    @property
    def drawable(self) -> bool:
        return not self.why and (bool(self.cells) or any(s.dots for s in self.series))

    @property
    def reason(self) -> str:
        """Return why it is not drawn."""
        return self.why or "no launch of these points gave a valid result"

    @property
    def legend(self) -> str:
        """Return what dots, markers and bars are, with the confidence that the bars really have."""
        if self.cells:
            return "each cell: the median of all launches"
        dots = [d for s in self.series for d in s.dots if not s.predicted]
        if not dots:
            return "star, dotted: predicted; nothing here was measured"
        said = self._measured(dots)
        predicted = any(s.predicted for s in self.series)
        return f"{said}; star, dotted: predicted, not measured" if predicted else said

    def _measured(self, dots: Sequence[Dot]) -> str:
        counts = sorted({len(d.samples) for d in dots if d.samples})
        reached = sorted({d.interval.confidence for d in dots if d.interval})
        said = f"small dots: every value; marker: {self.marker}, n = {_span(counts, 'd')}"
        return (
            f"{said}; bar: its {_span(reached, '.1%')} interval"
            if reached
            else f"{said}; one value has no bar"
        )


def _span(values: Sequence[float], form: str) -> str:
    """Return the one value that there is, or the first and the last."""
    ends = dict.fromkeys(format(v, form) for v in (values[0], values[-1])) if values else ["0"]
    return " to ".join(ends)


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
    usual = [row for row in rows if not faults.asked(row.point.options)]
    for index, ((kernel, what), own) in enumerate(groups(usual).items()):
        name = f"{kernel}-{index}"
        problem = registry.problem_class(kernel)
        scaling = normalised if problem.relative else absolute
        kinds = {"scaling": scaling, "efficiency": efficiency, "bound": fraction}
        if not any(_bounded(r) for r in own):
            del kinds["bound"]
        made = {kind: make(own) for kind, make in kinds.items()}
        tables = {f"table-{place}": tabular(own, curve) for place, curve in enumerate(problem.curves)}
        # Their tables may have no such value: training without a target has no time to it.
        made |= {kind: p for kind, p in tables.items() if not p.why or not any(row.own for row in own)}
        maps = [p for one in problem.maps for p in mapped(own, one)]
        made |= {f"map-{place}": p for place, p in enumerate(maps)}
        for kind, panel in made.items():
            panel.name = f"{name}-{kind}"
            panel.about = about(own, what)
            panel.notes += remarks(own)
            found.append(panel)
    return found


def about(rows: Sequence[Row], what: str) -> str:
    """Return what a figure is of: its name in the sweep, parameters that have a value, launches a point."""
    values: dict[str, dict[object, None]] = {}
    for row in rows:
        for name, value in row.point.parameters.items():
            values.setdefault(name, {})[value] = None
    shown = [
        f"{name} = {_listed(list(several))}"
        for name, several in values.items()
        if any(v != "" for v in several)
    ]
    named = [what] if any(row.point.figure for row in rows) else []
    launches = sorted({row.planned for row in rows if not row.predicted})
    told = f"{_span(launches, 'd')} launches a point" if launches else "no launches"
    return "; ".join([*named, ", ".join(shown), told])


def _listed(values: list[object]) -> str:
    """Return a few values, or the ends of many."""
    words = [f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in values]
    return ", ".join(words) if len(words) < 4 else f"{words[0]} to {words[-1]}"


def _bounded(row: Row) -> bool:
    """Tell whether something bounds the point, once the machine is measured."""
    return row.point.cost != Cost() and row.point.metric.kind in ("throughput", "latency")


def tabular(rows: Sequence[Row], curve: Curve) -> Panel:
    """Return a column of the records' own tables: the median of all launches, and its interval.

    Over another column, or over a parameter of the points, where that varies.
    """
    headings = registry.problem_class(rows[0].point.kernel).headings
    over, of = (headings.get(name, (name,))[0] for name in (curve.x or "cores", curve.y))
    over += f" ({curve.unit})" if curve.unit else ""
    panel = Panel("", f"{_title(rows)}: {curve.title}", over, of, linear=bool(curve.source))
    if curve.source and len(rows) > FEW:
        chosen = _largest(rows)
        if len(chosen) > FEW:
            panel.why = f"{len(rows)} points are too many, name a figure of at most {FEW}"
            return panel
        panel.notes.append("each on the most cores only")
        rows = chosen
    over_parameter = curve.x in rows[0].point.parameters
    if over_parameter and len({row.point.parameters[curve.x] for row in rows}) < 2:
        panel.why = f"all points have the same {over}"
        return panel
    label = labels(rows, curve.x)
    series: dict[str, Series] = {}
    for row in sorted(rows, key=lambda r: (_cores(r), r.point.parameters[curve.x] if over_parameter else 0)):
        name = label[row.point.id]
        if curve.x:
            name = f"{name}, {counted(row.point.cores, 'core')}"
        values: dict[int, list[float]] = {}
        for line in row.lists.get(curve.source, ()) if curve.source else row.own:
            if line.get(curve.y) is not None:
                x = {**line, **row.point.parameters}[curve.x] if curve.x else row.point.cores
                values.setdefault(x, []).append(line[curve.y])
        one = series.setdefault(name, Series(row.point.runtime, name))
        for x, ys in sorted(values.items()):
            one.dots.append(Dot(x, median(ys), median_interval(ys), tuple(ys), _partly(row)))
    panel.series = [s for s in series.values() if s.dots]
    if not panel.series:
        panel.why = f"no valid launch states {panel.y_label}"
    limits = {line[curve.limit] for row in rows for line in row.own if line.get(curve.limit) is not None}
    name = headings.get(curve.limit, (curve.limit,))[0]
    panel.limits = {f"{name}: {value:g}": value for value in sorted(limits)}
    return panel


def _largest(rows: Sequence[Row]) -> list[Row]:
    """Return of what differs in its cores only the rows on the most of them."""
    label = labels(rows)
    most: dict[str, int] = {}
    for row in rows:
        name = label[row.point.id]
        most[name] = max(most.get(name, 0), _cores(row))
    return [row for row in rows if _cores(row) == most[label[row.point.id]]]


def mapped(rows: Sequence[Row], one: Map) -> list[Panel]:
    """Return maps of a column over two parameters that both vary: one for each of what varies besides."""
    axes = one.x, one.y
    if any(len({row.point.parameters[axis] for row in rows}) < 2 for axis in axes):
        return []
    problem = registry.problem_class(rows[0].point.kernel)
    found: dict[str, Panel] = {}
    for row in rows:
        p = row.point
        others = (f"{k}={v}" for k, v in p.parameters.items() if k not in (*axes, "iterations"))
        better = 1 if one.larger_is_better else -1
        panel = Panel("", "", *axes, marked=one.marked, better=better, last=one.last)
        panel = found.setdefault(" ".join((p.label, counted(p.cores, "core"), *others)), panel)
        values = [line[one.value] for line in row.own if line.get(one.value) is not None]
        if values:
            panel.cells[p.parameters[one.x], p.parameters[one.y]] = median(values)
    # A map's name is what not all of them have.
    common = set.intersection(*(set(name.split(" ")) for name in found))
    for name, panel in found.items():
        own = " ".join(word for word in name.split(" ") if word not in common)
        panel.title = f"{_title(rows)}: {one.title}{f', {own}' if own else ''}"
        panel.notes += [f"{axis}: {problem.__dataclass_fields__[axis].metadata['help']}" for axis in axes]
        panel.notes += _compared(panel) + _reached(panel, one)
    return list(found.values())


def _compared(panel: Panel) -> list[str]:
    """Return what a map says of the published values, if there are any."""
    if not panel.marked or not panel.cells:
        return []
    low, high = panel.marked
    stated = f"{low:g} to {high:g}" if low < high else f"{low:g}"
    least, largest = min(panel.cells.values()), max(panel.cells.values())
    reached = least <= high and largest >= low
    return [f"line: {stated}, as published" if reached else f"published: {stated}, which is nowhere here"]


def _reached(panel: Panel, one: Map) -> list[str]:
    """Return in how many cells a map's goal is reached, if it has one."""
    if one.goal is None or not panel.cells:
        return []
    reached = sum(panel.better * value >= panel.better * one.goal for value in panel.cells.values())
    bound = f"at {'least' if one.larger_is_better else 'most'} {one.goal:g}"
    return [f"goal: {bound}, reached in {reached} of {len(panel.cells)} cells"]


def over_nodes(rows: Sequence[Row]) -> bool:
    """Tell whether the rows differ in nodes; otherwise they are shown over cores."""
    return len({r.point.layout["nodes"] for r in rows}) > 1


def absolute(rows: Sequence[Row]) -> Panel:
    """Return the first metric as it is over cores, with the ideal line and the bound."""
    x, metric = _resources(rows), _metric(rows)

    def shown(value: float) -> float:
        return metric.shown(value)[0]

    panel = Panel("", f"{_title(rows)}: {metric.name}", "cores", f"{metric.name} ({metric.shown(0)[1]})")
    _fill(panel, rows, x, lambda row: _scaled(row, shown))
    base = _base(rows, x)
    if base:
        xs = sorted({x(r) for r in rows})
        x0, y0 = x(base), shown(_median(base))
        panel.lines[f"ideal, from {base.point.label} on {counted(x0, 'core')}"] = [
            (c, _times_as_good(metric, y0, _gain(metric, c / x0))) for c in xs if c >= x0
        ]
    bounded = _held(panel, rows)
    if bounded:
        values = {x(r): shown(r.bound.value) for r in sorted(bounded, key=x) if r.bound}
        panel.lines[f"bound: {_limits(bounded)}"] = list(values.items())
    return panel


def normalised(rows: Sequence[Row]) -> Panel:
    """Return the first metric on P relative to P times the base on the fewest, as the study shows it."""
    (x, unit), metric = _axis(rows), _metric(rows)
    panel = Panel("", f"{_title(rows)}: normalised performance", f"{unit}s", f"{metric.name} / (P x base)")
    base = _base(rows, x)
    if base is None:
        panel.why = f"no valid run of {registry.BASELINE} to relate the others to"
        _fill(panel, rows, x, lambda row: None)
        return panel
    panel.marker = RATIO
    panel.y_label = f"{metric.name} on P {unit}s / (P x base)"
    if not metric.larger_is_better:
        panel.y_label = f"base / (P x {metric.name} on P {unit}s)"
    _fill(panel, rows, x, lambda row: _related(row, base, x))
    panel.lines["ideal"] = [(c, 1.0) for c in sorted({x(r) for r in rows})]
    panel.notes.append(f"base: {base.point.label} on {counted(x(base), unit)}, {_stated(base)}")
    return panel


def efficiency(rows: Sequence[Row]) -> Panel:
    """Return each runtime's parallel efficiency, relative to itself on the fewest nodes or cores of all."""
    x, unit = _axis(rows)
    panel = Panel("", f"{_title(rows)}: parallel efficiency", f"{unit}s", "efficiency")
    panel.marker = RATIO
    label, first = labels(rows), min(map(x, rows))
    bases = {label[r.point.id]: r for r in _drawn(rows) if x(r) == first}
    larger = [r for r in rows if x(r) > first]
    if not larger:
        panel.why = f"all points have the same number of {unit}s"
    grown = {label[r.point.id] for r in larger}
    own = [r for r in rows if label[r.point.id] in grown & bases.keys() or not r.point.conforming]
    _fill(panel, own, x, lambda row: _related(row, bases[label[row.point.id]], x), flag=True)
    panel.lines["ideal"] = [(c, 1.0) for c in sorted({x(r) for r in rows})]
    lost = [name for name in dict.fromkeys(label[r.point.id] for r in _drawn(larger)) if name not in bases]
    if lost:
        panel.notes.append(f"no curve, as there is no valid run on {counted(first, unit)}: {', '.join(lost)}")
        if not grown & bases.keys():
            panel.why = f"no runtime has a valid run on {counted(first, unit)}"
    odd = [f"{s.label} on {counted(d.x, unit)}" for s in panel.series for d in s.dots if d.flagged]
    if odd:
        panel.notes.append(f"ringed, over {SUSPICIOUS:.0%}: {', '.join(odd)}")
    stated = ", ".join(f"{name} {_stated(bases[name])}" for name in bases if name in grown)
    panel.notes.append(f"base: the same runtime on {counted(first, unit)}: {stated}")
    return panel


def fraction(rows: Sequence[Row]) -> Panel:
    """Return the fraction of the bound that limits each point."""
    (x, unit), metric = _axis(rows), _metric(rows)
    shown = f"{metric.name} / bound" if metric.larger_is_better else f"bound / {metric.name}"
    panel = Panel("", f"{_title(rows)}: fraction of the bound", f"{unit}s", shown)
    held = _held(panel, rows)
    if not held:
        measured = any(r.bound for r in rows)
        panel.why = (
            "; ".join(panel.notes) if measured else "the machine is not measured: prk-bench machine FOLDER"
        )
        panel.notes = []
    kept = {r.point.id for r in held}
    own = [r for r in rows if r.point.id in kept or not r.summary or not r.point.conforming]

    def part(row: Row) -> Shown | None:
        best = row.bound
        return _scaled(row, lambda value: metric.ratio(value, best.value)) if best else None

    _fill(panel, own, x, part)
    panel.lines[f"bound: {_limits(held)}"] = [(c, 1.0) for c in sorted({x(r) for r in held})]
    panel.notes.append("the bound is the best of several measurements; its own spread is not in the bars")
    return panel


def exceeded(rows: Sequence[Row]) -> dict[str, str]:
    """Return, by point, which point beside it shows that its bound is none: it is more than that."""
    places: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        p = row.point
        places.setdefault((p.kernel, size(p), p.cores, p.layout["nodes"]), []).append(row)
    found: dict[str, str] = {}
    for own in places.values():
        worst = max(own, key=lambda r: r.fraction or 0.0)
        if (worst.fraction or 0.0) > SUSPICIOUS:
            where = f"{worst.point.label} on {counted(worst.point.cores, 'core')}"
            said = f"{where} is at {worst.fraction:.0%} of it"
            found |= {r.point.id: said for r in own}
    return found


def _held(panel: Panel, rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose bound no point exceeds; note the others."""
    over = exceeded(rows)
    said = dict.fromkeys(over[r.point.id] for r in rows if r.point.id in over)
    panel.notes += [f"no bound is drawn where one is exceeded, and so is none: {one}" for one in said]
    return [r for r in rows if r.bound and r.point.id not in over]


def _metric(rows: Sequence[Row]) -> Metric:
    return rows[0].point.metric


def _gain(metric: Metric, times: float) -> float:
    """Return how many times as good a metric ideally gets on so many times the cores; quality stays."""
    return 1.0 if metric.kind == "quality" else times


def _times_as_good(metric: Metric, value: float, times: float) -> float:
    return value * times if metric.larger_is_better else value / times


# A value, its interval where there is one, and every sample, as a figure shows them.
Shown = tuple[float, Interval | None, tuple[float, ...]]
RATIO = "ratio to the base (Hodges-Lehmann; the bar holds the spread of both)"


def _scaled(row: Row, shown: Callable[[float], float]) -> Shown:
    """Return a row's median, interval and samples, each as `shown` of it."""
    assert row.summary
    interval = row.summary.interval
    if interval:
        low, high = sorted((shown(interval.low), shown(interval.high)))
        interval = Interval(low, high, interval.confidence)
    return shown(row.summary.median), interval, tuple(map(shown, row.values))


def dot(row: Row, x: float) -> Dot:
    """Return a row's dot at a place: the first metric as figures state it."""
    value, interval, samples = _scaled(row, lambda one: row.point.metric.shown(one)[0])
    return Dot(x, value, interval, samples, _partly(row))


def _related(row: Row, base: Row, x: Callable[[Row], int]) -> Shown:
    """Return how good a row is as part of what the base ideally gets on as many cores or nodes.

    The interval is that of the ratio of both; the base itself is 1 without one.
    """
    metric = row.point.metric
    gain = _gain(metric, x(row) / x(base))
    if row.predicted or base.predicted:
        return metric.ratio(_median(row), _median(base)) / gain, None, ()
    samples = tuple(metric.ratio(v, _median(base)) / gain for v in row.values)
    if row is base:
        return 1.0, None, samples
    found, interval = ratio(base.values, row.values, metric)
    ends = Interval(interval.low / gain, interval.high / gain, interval.confidence)
    return found / gain, ends if interval.confidence > 0 else None, samples


def _stated(row: Row) -> str:
    """Return a row's median as figures state it."""
    value, unit = row.point.metric.shown(_median(row))
    return f"{number(value)} {unit}"


def _partly(row: Row) -> str:
    """Return how many of the launches gave a value, if not all did."""
    right = sum(row.counts[status] for status in RIGHT)
    return "" if right == row.planned else f"{right} of {row.planned}"


def _limits(rows: Sequence[Row]) -> str:
    """Return what limits the points, as: flop peak or memory bandwidth; nothing if no machine is measured."""
    return " or ".join(sorted({r.bound.limit for r in rows if r.bound}))


def _fill(
    panel: Panel,
    rows: Sequence[Row],
    x: Callable[[Row], int],
    value: Callable[[Row], Shown | None],
    flag: bool = False,
) -> None:
    """Put a series a label into the panel; what cannot be drawn, or only in part, becomes a note."""
    label, unit = labels(rows), panel.x_label.removesuffix("s")
    series: dict[str, Series] = {}
    apart, partly = [], []
    for row in sorted(rows, key=x):
        name, where = label[row.point.id], counted(x(row), unit)
        if not row.point.conforming:
            apart.append(f"{row.point.label} on {counted(row.point.cores, 'core')}")
            continue
        one = series.setdefault(name, Series(row.point.runtime, name, bool(row.predicted)))
        found = value(row) if row.summary else None
        if row.summary is None:
            one.gaps.append((x(row), row.state))
        elif found:
            y, interval, samples = found
            one.dots.append(
                Dot(x(row), y, interval, samples, _partly(row), flag and not row.predicted and y > SUSPICIOUS)
            )
            partly += [f"{name} on {where}: {row.state}"] if _partly(row) else []
    panel.series = list(series.values())
    if apart:
        panel.notes.append(f"not drawn, non-conforming: {', '.join(apart)}")
    panel.notes += [f"partly failed: {one}" for one in partly]
    machines = dict.fromkeys(row.predicted for row in rows if row.predicted)
    panel.notes += [f"predicted by the model of {name}" for name in machines]
    panel.notes += [
        f"missing (x): {s.label} on {counted(at, unit)}: {why}" for s in panel.series for at, why in s.gaps
    ]


def labels(rows: Sequence[Row], axis: str = "") -> dict[str, str]:
    """Return the label of each point's series: its runtime and variant, and where needed what sets it apart.

    That is the size, where it is not the usual one on as many cores, or, if all have as many, whatever of it
    varies; but for the axis, and for what another parameter determines. And the threads, where one runtime's
    points on as many cores differ by them.
    """
    sizes = {row.point.id: size(row.point).split() for row in rows}
    usual: dict[int, list[str]] = {}
    threads: dict[tuple[str, int], set[int]] = {}
    for row in rows:
        usual.setdefault(row.point.cores, sizes[row.point.id])
        threads.setdefault((row.point.label, row.point.cores), set()).add(row.point.layout["threads"])
    if len(usual) == 1:
        usual = {cores: [*set.intersection(*map(set, sizes.values()))] for cores in usual}
    split = {label for (label, _), counts in threads.items() if len(counts) > 1}
    hidden = {axis, *_determined(rows)}
    found = {}
    for row in rows:
        p = row.point
        odd = [w for w in sizes[p.id] if w not in usual[p.cores] and w.partition("=")[0] not in hidden]
        apart = [*odd, *([counted(p.layout["threads"], "thread")] if p.label in split else [])]
        found[p.id] = f"{p.label} ({', '.join(apart)})" if apart else p.label
    return found


def _determined(rows: Sequence[Row]) -> set[str]:
    """Return the parameters that another one, which has more values, determines: a workload its batch."""
    names = rows[0].point.parameters if rows else ()
    values = {name: [row.point.parameters[name] for row in rows] for name in names}
    kinds = {name: len(set(own)) for name, own in values.items()}
    return {
        one
        for one, other in itertools.permutations(values, 2)
        if kinds[one] < kinds[other] == len(set(zip(values[one], values[other], strict=True)))
    }


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
    """Return the standard run of the base runtime on the fewest nodes or cores, if it is valid.

    Where none was to be measured, the predicted one.
    """
    standard = (r for r in rows if r.point.runtime == registry.BASELINE and _usual(r))
    own = [r for r in standard if r.point.conforming]
    first = min(own, key=lambda r: (bool(r.predicted), x(r)), default=None)
    return first if first and first.summary else None


def _usual(row: Row) -> bool:
    return row.point.variant == ("predicted" if row.predicted else "")


def _median(row: Row) -> float:
    assert row.summary
    return row.summary.median


def _title(rows: Sequence[Row]) -> str:
    return rows[0].point.kernel.capitalize()


def counted(number: float, noun: str, plural: str = "s") -> str:
    """Return a number with its noun, as: 1 core, 3,072 cores."""
    return f"{number:,} {noun}{'' if number == 1 else plural}"
