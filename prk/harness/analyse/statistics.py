"""Nonparametric statistics of a few samples: intervals from ranks, a rank test, no means of ratios. Pure."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

from prk.metric import MFLOPS, Metric

CONFIDENCE = 0.95
# Samples, or pairs of them, up to which distributions are counted out.
EXACT = 2500


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
    """Compare two sets of values of a metric: Mann-Whitney's test, and Moses' interval of the ratio.

    The ratio is the median of all ratios of a pair (Hodges and Lehmann, on logarithms), the interval
    the inversion of the test (Hollander and Wolfe, Nonparametric Statistical Methods, 4.3).
    """
    ratios = sorted(metric.ratio(y, x) for x in a for y in b)
    k, reached = shift_ranks(len(a), len(b))
    return Comparison(median(ratios), Interval(ratios[k - 1], ratios[-k], reached), mann_whitney(a, b))


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p: exact, or normal with correction where there are ties or many samples."""
    n, m = len(a), len(b)
    u = sum((x > y) + (x == y) / 2 for x in a for y in b)
    extreme = max(u, n * m - u)
    ties = _ties([*a, *b])
    if not ties and n * m <= EXACT:
        counts = u_counts(n, m)
        return min(1.0, 2 * sum(counts[math.ceil(extreme) :]) / math.comb(n + m, n))
    total = n + m
    spread = n * m / 12 * (total + 1 - sum(t**3 - t for t in ties) / (total * (total - 1)))
    if spread <= 0:
        return 1.0
    z = (extreme - n * m / 2 - 0.5) / math.sqrt(spread)
    return min(1.0, 2 * NormalDist().cdf(-z))


@functools.cache
def u_counts(n: int, m: int) -> tuple[int, ...]:
    """Return how many orders of n and m samples give each value of U, 0 to n*m (a Gaussian binomial)."""
    counts = [1] + [0] * (n * m)
    for i in range(1, n + 1):
        # Multiply by 1 - q^(m+i), then divide by 1 - q^i.
        for u in range(n * m, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, n * m + 1):
            counts[u] += counts[u - i]
    return tuple(counts)


def shift_ranks(n: int, m: int, confidence: float = CONFIDENCE) -> tuple[int, float]:
    """Return (k, confidence): the k-th smallest and largest of the n*m pairs enclose the shift."""
    if n * m > EXACT:
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return max(1, math.floor(n * m / 2 - z * math.sqrt(n * m * (n + m + 1) / 12))), confidence
    counts, total = u_counts(n, m), math.comb(n + m, n)
    below = 0
    best = 1, 1 - 2 / total
    for k in range(1, n * m // 2 + 1):
        below += counts[k - 1]
        if 1 - 2 * below / total < confidence:
            break
        best = k, 1 - 2 * below / total
    return best


def _ties(values: Sequence[float]) -> list[int]:
    """Return the sizes of the groups of equal values."""
    sizes: dict[float, int] = {}
    for v in values:
        sizes[v] = sizes.get(v, 0) + 1
    return [t for t in sizes.values() if t > 1]
