"""Nonparametric statistics of a few samples: intervals from ranks, a rank test, no means of ratios. Pure."""

import functools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy as np

from prk.metric import MFLOPS, Metric

CONFIDENCE = 0.95
# Samples, or pairs of them, up to which distributions are counted out.
EXACT = 2500
# Values of which all pairs are made.
MOST = 1000


@dataclass(frozen=True)
class Interval:
    """A confidence interval, with the confidence that it really has."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Summary:
    """What is said of the values of one point, in their unit."""

    samples: int
    median: float
    interval: Interval | None
    minimum: float
    maximum: float
    mean: float


def summarise(values: Sequence[float], rates: bool = True) -> Summary:
    """Return median with interval, minimum, maximum and mean of values; the mean of rates is harmonic."""
    mean = harmonic_mean(values) if rates else math.fsum(values) / len(values)
    return Summary(len(values), median(values), median_interval(values), min(values), max(values), mean)


def harmonic_mean(rates: Sequence[float]) -> float:
    """Return the rate of all the work over all the time, the mean that rates have."""
    return len(rates) / math.fsum(1 / r for r in rates)


@functools.cache
def median_ranks(samples: int, confidence: float = CONFIDENCE) -> tuple[int, float]:
    """Return (k, confidence) so that the k-th smallest and k-th largest sample enclose the median.

    The narrowest interval with at least the confidence asked for, from exact binomial ranks (Conover,
    Practical Nonparametric Statistics, 3.2); with too few samples the widest there is, k = 1.
    """
    if samples > EXACT:
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return math.floor(samples / 2 - z * math.sqrt(samples) / 2), confidence
    # Integers throughout: the powers of a half leave the range of a float.
    below, total = 0, 2**samples
    best = 1, 1 - 2 / total
    for k in range(1, samples // 2 + 1):
        below += math.comb(samples, k - 1)
        if 1 - 2 * below / total < confidence:
            break
        best = k, 1 - 2 * below / total
    return best


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of the median; None for a single sample."""
    if len(values) < 2:
        return None
    ordered = sorted(values)
    k, reached = median_ranks(len(ordered), confidence)
    return Interval(ordered[k - 1], ordered[-k], reached)


@dataclass(frozen=True)
class Comparison:
    """How many times as good B is as A: the ratio with its interval, and the rank test's p."""

    ratio: float
    interval: Interval
    p: float

    @property
    def verdict(self) -> str:
        if self.p >= 1 - CONFIDENCE or self.interval.low <= 1 <= self.interval.high:
            return "not distinguishable"
        return "better" if self.ratio > 1 else "worse"


def compare(a: Sequence[float], b: Sequence[float], metric: Metric = MFLOPS) -> Comparison:
    """Compare two sets of values of a metric: Mann-Whitney's test, and Moses' interval of the ratio."""
    return Comparison(*ratio(a, b, metric), mann_whitney(a, b))


def ratio(a: Sequence[float], b: Sequence[float], metric: Metric = MFLOPS) -> tuple[float, Interval]:
    """Return how many times as good B is as A, with an interval that holds the spread of both.

    The ratio is the median of all ratios of a pair (Hodges and Lehmann, on logarithms), the interval
    the inversion of the test (Hollander and Wolfe, Nonparametric Statistical Methods, 4.3). Equal values
    only make it hold more often.
    """
    better, base = (_few([metric.ratio(v, 1.0) for v in values]) for values in (b, a))
    ratios = np.sort(np.divide.outer(better, base), axis=None)
    k, reached = shift_ranks(len(a), len(b))
    place = k * ratios.size // (len(a) * len(b))
    ends = float(ratios[max(place, 1) - 1]), float(ratios[-max(place, 1)])
    return float(np.median(ratios)), Interval(*ends, reached)


def _few(values: Sequence[float]) -> np.ndarray:
    """Return the values in order; of very many, as many that lie as they do: all pairs are made of them."""
    ordered = np.sort(np.array(values))
    return ordered if len(values) <= MOST else np.quantile(ordered, (np.arange(MOST) + 0.5) / MOST)


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p: exact, also where values are equal; normal with correction for many samples."""
    n, m = len(a), len(b)
    # Twice U, and how far it is from its mean: whole numbers, whatever is equal.
    ordered = np.sort(b)
    below = sum(int(np.searchsorted(ordered, a, side).sum()) for side in ("left", "right"))
    away = abs(below - n * m)
    sizes = tuple(number for _, number in sorted(Counter([*a, *b]).items()))
    if n * m <= EXACT:
        chances = u_chances(min(n, m), sizes)
        far = np.abs(np.arange(chances.size) - n * m) >= away
        return min(1.0, float(chances[far].sum()))
    total = n + m
    spread = n * m / 12 * (total + 1 - sum(t**3 - t for t in sizes) / (total * (total - 1)))
    if spread <= 0:
        return 1.0
    return min(1.0, 2 * NormalDist().cdf((1 - away) / 2 / math.sqrt(spread)))


@functools.lru_cache(maxsize=256)
def u_chances(n: int, sizes: tuple[int, ...]) -> np.ndarray:
    """Return the chance of each value of 2 U, from 0 on, if any n of all values are as likely to be drawn.

    `sizes` are those of the groups of equal values, in order. Counts the ways to each sum of the ranks drawn,
    an equal value's being the middle of its group (Streitberg and Roehmel's shifts).
    """
    total, least = sum(sizes), n * (n - 1)
    ways = np.zeros((n + 1, least + 2 * n * (total - n) + 1))
    ways[0, 0] = 1.0
    below = 0
    for size in sizes:
        # Twice the rank, from zero on.
        rank = 2 * below + size - 1
        for _ in range(size):
            ways[1:, rank:] += ways[:-1, : max(0, ways.shape[1] - rank)]
        below += size
    chances: np.ndarray = ways[n, least:] / math.comb(total, n)
    return chances


def holm(ps: Sequence[float]) -> list[float]:
    """Return each p corrected for being one of several (Holm): any is below 5 % by chance in 5 % of cases."""
    found, highest = [0.0] * len(ps), 0.0
    for place, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[index]))
        found[index] = highest
    return found


@functools.cache
def shift_ranks(n: int, m: int, confidence: float = CONFIDENCE) -> tuple[int, float]:
    """Return (k, confidence): the k-th smallest and largest of the n*m pairs enclose the shift."""
    if n * m > EXACT:
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return max(1, math.floor(n * m / 2 - z * math.sqrt(n * m * (n + m + 1) / 12))), confidence
    outside = 2 * np.cumsum(u_chances(min(n, m), (1,) * (n + m))[::2])
    k = max(1, int(np.searchsorted(outside, 1 - confidence + 1e-12)))
    return k, max(0.0, 1 - float(outside[k - 1]))
