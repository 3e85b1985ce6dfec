"""How many queries a tail latency needs before it can be believed. Pure.

Reddi and others, MLPerf Inference Benchmark (ISCA 2020), equation (2), and the early stopping of MLPerf's
LoadGen, which came after it.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

CONFIDENCE = 0.99
# The margin is this part of what is beyond the percentile, and counts go up to a multiple.
MARGIN, MULTIPLE = 1 / 20, 1 << 13


def exact(percentile: float, confidence: float = CONFIDENCE) -> int:
    """Return the queries by which a percentile (0 to 1) is known to a twentieth of what is beyond it."""
    z = NormalDist().inv_cdf((1 - confidence) / 2)
    margin = (1 - percentile) * MARGIN
    return round(z * z * percentile * (1 - percentile) / margin**2)


def queries(percentile: float, confidence: float = CONFIDENCE) -> int:
    """Return the queries that the study asks for: `exact`, up to a multiple of 8,192."""
    return -(-exact(percentile, confidence) // MULTIPLE) * MULTIPLE


def odds(inside: int, late: int, percentile: float) -> float:
    """Return how likely at most `late` queries in `inside + late` are late, if 1 - percentile of them are.

    This is the regularised incomplete beta function of `percentile` at (inside, late + 1).
    """
    total = inside + late
    log_p, log_q = math.log(percentile), math.log1p(-percentile)
    # A binomial distribution's terms in logarithms: of large counts each by itself is no number.
    terms = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * log_q + (total - k) * log_p
        for k in range(late + 1)
    ]  # fmt: skip
    largest = max(terms)
    return math.exp(largest) * math.fsum(math.exp(term - largest) for term in terms)


@cache
def needed(late: int, percentile: float, confidence: float = CONFIDENCE) -> int:
    """Return after how many queries a run of which `late` were late has shown the percentile."""
    low, high = 0, 64
    while odds(high, late, percentile) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if odds(middle, late, percentile) > 1 - confidence else (low, middle)
    return high + late


def allowed(count: int, percentile: float, confidence: float = CONFIDENCE) -> int:
    """Return how many of `count` queries may be late; -1 if so few show nothing."""
    if needed(0, percentile, confidence) > count:
        return -1
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle, percentile, confidence) <= count else (low, middle)
    return low


def estimate(latencies: Sequence[float], percentile: float, confidence: float = CONFIDENCE) -> float | None:
    """Return a latency that the percentile is not above, as sure as that; None for too few queries."""
    late = allowed(len(latencies), percentile, confidence)
    return sorted(latencies)[len(latencies) - late] if late > 0 else None
