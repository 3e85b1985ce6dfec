"""What balancing gives, as the page's two tables. Pure."""

from collections.abc import Sequence

from prk.harness.analyse.imbalance import Gain, Strategy, by_name, crossover, groups, imbalance, words
from prk.harness.analyse.rows import Row, size

HEADER = (
    "kernel", "runtime", "cores", "size", "strategy", "imbalance without", "of work", "of time",
    "balancing", "gain", "from", "to", "holds", "",
)  # fmt: skip
PAYS = ("kernel", "runtime", "cores", "of", "strategy", "imbalances", "problems", "it", "holds")


def lines(rows: Sequence[Row]) -> list[list[str]]:
    """Return a line for each point whose problem is balanced in several ways."""
    return [_line(one) for own in groups(rows) for one in own]


def _line(one: Strategy) -> list[str]:
    p, work, time = one.row.point, imbalance(one.row, "work"), imbalance(one.row, "seconds")
    loads = [_shown(value, ".2f") for value in (one.problem, work, time)]
    about = [p.kernel, p.runtime, str(p.cores), size(p), one.name]
    return [*about, *loads, _shown(one.lost, ".1%"), *_gain(one.gain)]


def _gain(gain: Gain | None) -> list[str]:
    """Return the gain over the run without balancing, its interval, and what that says."""
    if gain is None:
        return [""] * 5
    ends = gain.interval
    if not ends.confidence:
        return [f"{gain.ratio:.3f}", *[""] * 4]
    said = "pays" if ends.low > 1 else "costs" if ends.high < 1 else "undecided"
    return [*(f"{v:.3f}" for v in (gain.ratio, ends.low, ends.high)), f"{ends.confidence:.1%}", said]


def crossovers(rows: Sequence[Row]) -> list[list[str]]:
    """Return a line for each strategy of each runtime: from which imbalance on it pays."""
    found = []
    for own in groups(rows):
        for name, several in by_name(own).items():
            pays = crossover(several)
            if pays is None:
                continue
            row = several[0].row
            span = f"{pays.first:.2f} to {pays.last:.2f}" if pays.first < pays.last else f"{pays.first:.2f}"
            known = sum(one.gain is not None for one in several)
            about = [row.point.kernel, row.point.runtime, str(row.point.cores), " ".join(words(row)), name]
            found.append(
                [*about, span, str(known), str(pays), f"{pays.confidence:.1%}" if pays.confidence else ""]
            )
    return found


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
