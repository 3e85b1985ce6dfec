"""Reference convergence points: by how much fewer epochs a training may get by with. Pure.

The rules' text leaves the fastest and the slowest run out of mean and standard deviation (`trimmed`); the
checker in use leaves them out of the mean alone (`full`).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from prk.harness.analyse.score import olympic

TRIMMED, FULL = "trimmed", "full"
# The part of right trainings that the test refuses.
ALPHA = 0.05


@dataclass(frozen=True)
class Point:
    """Epochs to the target at a global batch: mean and standard deviation, of so many runs."""

    batch: int
    mean: float
    deviation: float
    runs: int


@dataclass(frozen=True)
class Judged:
    """What a set of runs is beside the reference: the point, its least mean, and the factor of the time."""

    point: Point
    how: str
    mean: float
    least: float
    passes: bool
    factor: float


def point(batch: int, epochs: Sequence[float], std: str = TRIMMED) -> Point:
    """Return the point of a batch's runs, by one of the readings of the standard deviation."""
    kept = sorted(epochs)[1:-1]
    return Point(batch, fmean(kept), pstdev(kept if std == TRIMMED else epochs), len(kept))


def least(reference: Point, runs: int) -> float:
    """Return the smallest mean of a submission's `runs` that is no significant speedup.

    By Student's one-sided test with pooled variance, that of the reference; both leave two runs out.
    """
    own = runs - 2
    spread = reference.deviation * math.sqrt(1 / reference.runs + 1 / own)
    return max(0.0, reference.mean - quantile(1 - ALPHA, reference.runs + own - 2) * spread)


def pruned(points: Sequence[Point], runs: int) -> list[Point]:
    """Return the points without those that are slower than they need be.

    That is at a smaller batch than the fastest one's, or slower than the line between their neighbours; after
    one is left out, its successor is looked at next.
    """
    ordered = sorted(points, key=lambda p: p.batch)
    fastest = min(ordered, key=lambda p: p.mean)
    kept = [p for p in ordered if p.batch >= fastest.batch]
    place = 1
    while place < len(kept) - 1:
        if kept[place].mean > between(kept[place - 1], kept[place + 1], kept[place].batch, runs).mean:
            del kept[place]
        else:
            place += 1
    return kept


def between(low: Point, high: Point, batch: int, runs: int) -> Point:
    """Return the point on the line between two; it counts as one of twice the runs of a submission."""
    part = (batch - low.batch) / (high.batch - low.batch)
    mean = low.mean + part * (high.mean - low.mean)
    return Point(batch, mean, low.deviation + part * (high.deviation - low.deviation), 2 * runs)


def matched(points: Sequence[Point], batch: int, runs: int) -> tuple[Point, str] | None:
    """Return the pruned point for a batch, and how it was found; None where the reference has to be run."""
    kept = pruned(points, runs)
    for one in kept:
        if one.batch == batch:
            return one, "reference"
    if batch < kept[0].batch:
        return kept[0], f"batch {kept[0].batch}, the smallest"
    for low, high in itertools.pairwise(kept):
        if low.batch < batch < high.batch:
            return between(low, high, batch, runs), f"between {low.batch} and {high.batch}"
    return None


def judge(points: Sequence[Point], batch: int, epochs: Sequence[float], runs: int) -> Judged | None:
    """Return how a submission's epochs are beside the reference; None if that has no point for its batch.

    A run that missed its target has infinitely many epochs. The factor is the reference's mean / its own,
    where that is faster; the time is to be multiplied by it.
    """
    found = matched(points, batch, runs)
    if found is None:
        return None
    (reference, how), own = found, olympic(epochs)
    bound = least(reference, runs)
    return Judged(reference, how, own, bound, own >= bound, max(1.0, reference.mean / own))


def quantile(part: float, freedom: int) -> float:
    """Return Student's quantile: the value that a part of more than half lies below."""
    low, high = 0.0, 1.0
    while below(high, freedom) < part:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle, freedom) < part else (low, middle)
    return high


def below(t: float, freedom: int) -> float:
    """Return Student's distribution function (Abramowitz and Stegun, 26.7.3 and 26.7.4), for t >= 0."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle), 0.0) if odd else (1.0, 0.0)
    for place in range(1 + odd, freedom, 2):
        total += term
        term *= square * place / (place + 1)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + inside) / 2
