"""What balancing gives: imbalance over the repetitions, rates over imbalance, and where it pays. Pure.

Imbalance is the largest over the mean: of the work, or of the seconds of computing, of the workers. How
imbalanced a problem is says its run without balancing. A problem's parameters that are words say what it is,
and those that are numbers how much of it there is: a curve goes over the latter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from prk.harness.analyse.curves import Dot, Panel, Series, about, dot
from prk.harness.analyse.rows import Row
from prk.harness.analyse.statistics import Interval, median_interval, ratio
from prk.problem import Balancing
from prk.run import registry

# What imbalance is of, as records and figures have it.
KINDS = {"work": "work", "seconds": "time"}


class Gain(NamedTuple):
    """How many times as good something is, with an interval."""

    ratio: float
    interval: Interval


@dataclass(frozen=True)
class Strategy:
    """A point whose load is balanced in some way, with the one of the same problem where it is not."""

    row: Row
    name: str
    base: Row | None

    @property
    def problem(self) -> float | None:
        """Return the imbalance of the problem's work."""
        return imbalance(self.base, "work") if self.base else None

    @property
    def lost(self) -> float | None:
        """Return the part of the time that balancing took."""
        return median(one["lost"] for one in self.row.balance) if self.row.balance else None

    @property
    def gain(self) -> Gain | None:
        """Return how many times as good it is as without balancing; None of that one itself."""
        if self.base is None or self.row is self.base or not (self.row.summary and self.base.summary):
            return None
        return Gain(*ratio(self.base.values, self.row.values, self.row.point.metric))


@dataclass(frozen=True)
class Crossover:
    """From which imbalance on balancing pays, of those from `first` to `last`; None: not up to the last.

    early, late: the ends of an interval, by the ends of the gains' intervals, the least of whose confidences
    it has; each can be None as well.
    """

    first: float
    last: float
    pays: float | None
    early: float | None
    late: float | None
    confidence: float

    def __str__(self) -> str:
        if self.pays is None:
            perhaps = f", but may from {self.early:.2f} on" if self.early is not None else ""
            return f"does not pay up to {self.last:.2f}{perhaps}"
        late = f"beyond {self.last:.2f}" if self.late is None else f"{self.late:.2f}"
        least = ", the least" if self.pays == self.first else ""
        between = f" ({self.early:.2f} to {late})" if self.confidence else ""
        return f"pays from {self.pays:.2f} on{least}{between}"


def imbalance(row: Row, kind: str) -> float | None:
    """Return the median over samples of the periods' largest over their mean; None if nobody looked."""
    found = []
    for one in row.balance:
        most, mean = (sum(period[kind][value] for period in one["periods"]) for value in ("max", "mean"))
        found += [most / mean] if mean else []
    return median(found) if found else None


def groups(rows: Sequence[Row]) -> list[list[Strategy]]:
    """Return what is compared: points of one runtime and layout, on problems that differ by numbers.

    Strategies without one that balances nothing are not: nobody could tell what they give.
    """
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        own = registry.problem_class(row.point.kernel).balancing
        if own and not row.predicted and _setting(row, own) is not None:
            found.setdefault(_kind(row), []).append(row)
    several = ([Strategy(row, name(row), _base(row, own)) for row in own] for own in found.values())
    return [own for own in several if len({one.name for one in own}) > 1 and any(one.gain for one in own)]


def _kind(row: Row) -> tuple[Any, ...]:
    """Return what points have in common that are compared."""
    p = row.point
    return p.kernel, p.figure, p.runtime, _place(row), *p.layout.values(), *words(row)


def words(row: Row) -> tuple[str, ...]:
    """Return the parameters that say what a problem is, but for the strategy."""
    own = _own(row)
    return tuple(f"{k}={v}" for k, v in row.point.parameters.items() if isinstance(v, str) and k != own.name)


def _place(row: Row) -> str:
    """Return what marks a point that was measured elsewhere than most."""
    return "".join(word for word in row.point.variant.split(" ") if word.startswith("["))


def _setting(row: Row, own: Balancing) -> Any:
    """Return how a point is balanced; None where its runtime leaves no choice."""
    return {**row.point.parameters, **row.point.options}.get(own.name)


def _own(row: Row) -> Balancing:
    own = registry.problem_class(row.point.kernel).balancing
    assert own
    return own


def name(row: Row) -> str:
    """Return how a point is balanced, with whatever else sets it apart from its runtime's standard run."""
    own = _own(row)
    differs = [w for w in row.point.variant.replace(" ", ",").split(",") if w]
    besides = ", ".join(w for w in differs if not w.startswith((f"{own.name}=", "[")))
    return f"{_setting(row, own)} ({besides})" if besides else f"{_setting(row, own)}"


def amount(row: Row) -> tuple[tuple[str, Any], ...]:
    """Return the parameters that say which problem a point is, whatever the strategy."""
    return tuple((k, v) for k, v in row.point.parameters.items() if k != _own(row).name)


def _base(row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the run of the same problem without balancing, whose other options are the most alike."""
    own = _own(row)

    def alike(other: Row) -> int:
        return len(row.point.options.items() & other.point.options.items())

    # Where parts move although the strategy leaves them alone, the runtime balances.
    still = [r for r in rows if _setting(r, own) == own.base and not any(one["lost"] for one in r.balance)]
    same = [r for r in still if amount(r) == amount(row)]
    return row if row in same else max(same, key=alike, default=None)


def reached(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the x from which on y is at least 1, on straight lines between points; None if it ends below."""
    before = found = None
    for x, y in sorted(points):
        if y < 1:
            before, found = (x, y), None
        elif found is None:
            found = x if before is None else before[0] + (x - before[0]) * (1 - before[1]) / (y - before[1])
    return found


def crossover(own: Sequence[Strategy]) -> Crossover | None:
    """Return where one strategy begins to pay; None if no point of it has a gain."""
    known = [(one.problem, one.gain) for one in own]
    there = [(x, gain) for x, gain in known if x is not None and gain is not None]
    if not there:
        return None
    xs = [x for x, _ in there]
    pays = reached([(x, gain.ratio) for x, gain in there])
    early = reached([(x, gain.interval.high) for x, gain in there])
    late = reached([(x, gain.interval.low) for x, gain in there])
    return Crossover(min(xs), max(xs), pays, early, late, min(gain.interval.confidence for _, gain in there))


def by_name(own: Sequence[Strategy]) -> dict[str, list[Strategy]]:
    """Return the points of each strategy, that without balancing first."""
    found: dict[str, list[Strategy]] = {}
    for one in sorted(own, key=lambda one: one.row is not one.base):
        found.setdefault(one.name, []).append(one)
    return found


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Return the figures of all that is balanced in several ways, and of each runtime's best.

    They are of the most cores that a runtime has; the tables have the others as well.
    """
    found = []
    every = _on_most(groups(rows))
    for place, own in enumerate(every):
        made = {"rate": rates(own), **{KINDS[kind]: over_steps(own, kind) for kind in KINDS}}
        for kind, panel in made.items():
            panel.name = f"{own[0].row.point.kernel}-balance-{place}-{kind}"
            found.append(panel)
    together: dict[tuple[Any, ...], list[Strategy]] = {}
    for own in every:
        p, what = own[0].row.point, words(own[0].row)
        together.setdefault((p.kernel, p.figure, p.cores, p.layout["nodes"], *what), []).extend(own)
    for place, own in enumerate(together.values()):
        if len({one.row.point.runtime for one in own}) > 1:
            panel = best(own)
            panel.name = f"{own[0].row.point.kernel}-balance-best-{place}"
            found.append(panel)
    return found


def _on_most(every: Sequence[list[Strategy]]) -> list[list[Strategy]]:
    """Return the groups that no other one of the same runtime and problems exceeds in cores."""
    most: dict[Any, int] = {}
    for own in every:
        most[_alike(own)] = max(most.get(_alike(own), 0), own[0].row.point.cores)
    return [own for own in every if own[0].row.point.cores == most[_alike(own)]]


def _alike(own: Sequence[Strategy]) -> tuple[Any, ...]:
    row = own[0].row
    return row.point.kernel, row.point.figure, row.point.runtime, _place(row), *words(row)


def _over_imbalance(own: Sequence[Strategy], what: str) -> Panel:
    """Return an empty figure of the first metric over the imbalance of problems."""
    metric, balancing = own[0].row.point.metric, _own(own[0].row)
    x_label = "imbalance without balancing"
    panel = Panel(
        "",
        f"{own[0].row.point.kernel.capitalize()}{what}",
        x_label,
        f"{metric.name} ({metric.shown(0)[1]})",
        linear=True,
    )
    panel.first = 1.0
    panel.notes = [f"imbalance: of work with {balancing.name}={balancing.base}, maximum over mean"]
    panel.about = about([one.row for one in own], own[0].row.point.figure)
    if all(one.problem is None for one in own):
        panel.why = f"no valid run with {balancing.name}={balancing.base} says how the load lies"
    return panel


def rates(own: Sequence[Strategy]) -> Panel:
    """Return the rate over imbalance, a line a strategy, with where each begins to pay."""
    runtime = own[0].row.point.runtime
    panel = _over_imbalance(own, f" on {runtime}: rate over imbalance")
    for label, several in by_name(own).items():
        series = Series(runtime, label)
        for one in sorted(several, key=lambda one: one.problem or 0.0):
            if one.problem is None:
                continue
            if one.row.summary:
                series.dots.append(dot(one.row, round(one.problem, 3)))
            else:
                series.gaps.append((round(one.problem, 3), one.row.state))
        panel.series.append(series)
        pays = crossover(several)
        panel.notes += [f"{label}: {pays}"] if pays else []
    return panel


def over_steps(own: Sequence[Strategy], kind: str) -> Panel:
    """Return the imbalance of work or time over the repetitions, of the problem that has most of it."""
    most = amount(max(own, key=lambda one: one.problem or 0.0).row)
    own = [one for one in own if amount(one.row) == most]
    row = own[0].row
    title = f"{row.point.kernel.capitalize()} on {row.point.runtime}: imbalance of {KINDS[kind]}"
    panel = Panel("", title, "repetitions", "maximum over mean", linear=True)
    panel.about = about([one.row for one in own], row.point.figure)
    for label, several in by_name(own).items():
        series = Series(row.point.runtime, label)
        for x, ys in sorted(_steps([one.row for one in several], kind).items()):
            series.dots.append(Dot(x, median(ys), median_interval(ys), tuple(ys)))
        panel.series += [series] if series.dots else []
    if not panel.series:
        panel.why = f"no valid launch says how {KINDS[kind]} lies"
    return panel


def _steps(rows: Sequence[Row], kind: str) -> Mapping[int, list[float]]:
    """Return the imbalances of all samples by the repetition at the end of their periods."""
    found: dict[int, list[float]] = {}
    for period in (period for row in rows for one in row.balance for period in one["periods"]):
        if period[kind]["mean"]:
            ratio = period[kind]["max"] / period[kind]["mean"]
            found.setdefault(period["repetition"], []).append(ratio)
    return found


def best(own: Sequence[Strategy]) -> Panel:
    """Return the rate over imbalance of each runtime with the strategy that is best there."""
    panel = _over_imbalance(own, ": each runtime at its best")
    for runtime in dict.fromkeys(one.row.point.runtime for one in own):
        series, names = Series(runtime, runtime), {}
        problems: dict[Any, list[Strategy]] = {}
        for one in own:
            if one.row.point.runtime == runtime and one.row.summary and one.problem is not None:
                problems.setdefault(amount(one.row), []).append(one)
        for several in problems.values():
            first = max(several, key=_goodness)
            x = round(first.problem or 0.0, 3)
            series.dots.append(dot(first.row, x))
            names[x] = first.name
        series.dots.sort(key=lambda d: d.x)
        panel.series += [series] if series.dots else []
        panel.notes += [f"{runtime}: {', '.join(f'{names[x]} at {x:.2f}' for x in sorted(names))}"]
    return panel


def _goodness(one: Strategy) -> float:
    assert one.row.summary
    return one.row.point.metric.ratio(one.row.summary.median, 1.0)
