"""What checkpoints and failures cost, beside what Young and Daly say that they do. Pure.

J. W. Young, A first order approximation to the optimum checkpoint interval, CACM 17(9), 1974; J. T. Daly, A
higher order estimate of the optimum checkpoint interval for restart dumps, FGCS 22(3), 2006.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from prk.harness.analyse.curves import Dot, Panel, Series
from prk.harness.analyse.rows import Row, number, size
from prk.harness.analyse.statistics import median_interval
from prk.run.faults import options

# Of a failure, what is neither checkpoint nor work that is done again.
RECOVERY = ("detection", "agreement", "repair", "restore")


def young(checkpoint: float, mtbf: float) -> float:
    """Return Young's best seconds of work between two checkpoints of so many seconds."""
    return math.sqrt(2 * checkpoint * mtbf)


def daly(checkpoint: float, mtbf: float) -> float:
    """Return Daly's, of higher order; the mean time between failures where a checkpoint takes too long."""
    if checkpoint >= 2 * mtbf:
        return mtbf
    part = checkpoint / (2 * mtbf)
    return math.sqrt(2 * checkpoint * mtbf) * (1 + math.sqrt(part) / 3 + part / 9) - checkpoint


def of_work(interval: float, checkpoint: float, recovery: float, between: float = math.inf) -> float:
    """Return what all takes longer than the work alone, as part of it, where failures come with the work.

    interval: seconds of work from one checkpoint to the next; recovery: seconds that a failure takes besides
    the work that is lost, half an interval; between: mean seconds of work between failures.
    """
    return checkpoint / interval + (recovery + interval / 2) / between


def of_time(interval: float, checkpoint: float, recovery: float, mtbf: float) -> float:
    """Return the same where failures come with time, also while others are repaired: Daly's model.

    mtbf: mean seconds between failures.
    """
    beyond = (interval + checkpoint) / mtbf
    if beyond > 500:
        return math.inf
    return mtbf / interval * math.exp(recovery / mtbf) * math.expm1(beyond) - 1


def recovered(failure: Mapping[str, Any]) -> float:
    """Return the seconds that a failure took before work went on."""
    return sum(failure[part] or 0.0 for part in RECOVERY)


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Return a figure for all that differs in the interval only: overhead, measured and by the model."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        given = row.point.options
        if options.asked(given) and given["checkpoint"]:
            apart = tuple(v for name, v in given.items() if name != "checkpoint")
            key = (row.point.kernel, row.point.runtime, size(row.point), *row.point.layout.values(), *apart)
            groups.setdefault(key, []).append(row)
    several = [own for own in groups.values() if len(own) > 1]
    found = []
    for place, own in enumerate(several):
        panel = _panel(own)
        panel.name = f"{own[0].point.kernel}-faults-{place}"
        found.append(panel)
    return found


def _panel(rows: Sequence[Row]) -> Panel:
    """Return the figure of points that differ in the interval only."""
    point, given = rows[0].point, rows[0].point.options
    panel = Panel(
        "",
        f"{point.kernel.capitalize()}: what checkpoints cost ({given['state']}, {given['recovery']})",
        "repetitions between two checkpoints",
        "overhead / time of the work",
        about=f"{size(point)}; {point.layout['ranks']} ranks, {given['spares']} spare; {_befalls(given)}",
    )
    series = Series(point.runtime, f"{point.runtime}, measured")
    known = [one for row in rows for one in row.faults]
    for row in sorted(rows, key=lambda r: int(r.point.options["checkpoint"])):
        every = row.point.options["checkpoint"]
        values = tuple(1 / one["useful"] - 1 for one in row.faults if one["useful"] > 0)
        if values:
            series.dots.append(Dot(every, median(values), median_interval(values), values))
        else:
            series.gaps.append((every, row.state))
    panel.series = [series]
    saved = [one for one in known if one["checkpoints"]]
    if saved and series.dots:
        _model(panel, given, saved, [d.x for d in series.dots])
    return panel


def _befalls(given: Mapping[str, Any]) -> str:
    """Return what befalls a run, in words."""
    if given["mtbf"]:
        return f"a kill every {given['mtbf']:g} s on average"
    if given["kill-period"]:
        ranks = f"{given['kill-set']} ranks" if given["kill-set"] > 1 else "a rank"
        return f"{ranks} killed every {given['kill-period']} repetitions on average"
    return f"killed: {given['kill']}" if given["kill"] else "no failure"


def _model(
    panel: Panel, given: Mapping[str, Any], known: Sequence[Mapping[str, Any]], intervals: Sequence[float]
) -> None:
    """Put the model's curve into a figure, with the measured times that it is made of."""
    repetition = median(one["repetition_seconds"] for one in known)
    checkpoint = median(one["checkpoint_seconds"] for one in known)
    failures = [f for one in known for f in one["failures"]]
    # One that hit nobody who computed cost nothing, and one while others were repaired counts with theirs.
    hit = sum(f["restore"] is not None for f in failures)
    recovery = sum(map(recovered, failures)) / hit if hit else 0.0
    asked = [one["mtbf"] for one in known if one["mtbf"]]
    mtbf = median(asked) if asked else None
    first, last = min(intervals), max(intervals)
    places = sorted({round(first * (last / first) ** (n / 24)) for n in range(25)})
    if given["mtbf"] and mtbf:
        name = "model: Daly"
        curve = [(x, of_time(x * repetition, checkpoint, recovery, mtbf)) for x in places]
    else:
        name = "model: Young" if mtbf else "model: a checkpoint over an interval"
        curve = [(x, of_work(x * repetition, checkpoint, recovery, mtbf or math.inf)) for x in places]
    panel.lines[name] = [(x, y) for x, y in curve if math.isfinite(y)]
    said = f"model of the measured times: repetition {_ms(repetition)}, checkpoint {_ms(checkpoint)}"
    if mtbf:
        best = (young(checkpoint, mtbf) / repetition, daly(checkpoint, mtbf) / repetition)
        said += f", recovery {_ms(recovery)}, {number(mtbf)} s between failures"
        panel.notes.append(f"best interval: Young {best[0]:.3g}, Daly {best[1]:.3g} repetitions")
    panel.notes.append(said)
    if not mtbf and failures:
        panel.notes.append("failures were named, not drawn: the curve is that of checkpoints alone")


def _ms(seconds: float) -> str:
    return f"{number(1e3 * seconds)} ms"
