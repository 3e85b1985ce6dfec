"""Intervals and tests against SciPy and against published tables."""

import itertools
import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prk.harness.analyse import statistics
from prk.metric import Metric

rates = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=40)
distinct = st.lists(st.integers(1, 10**6), min_size=12, max_size=24, unique=True)


@pytest.mark.parametrize(
    ("samples", "rank", "confidence"),
    # Conover, Practical Nonparametric Statistics, and the usual tables of the sign test's interval.
    [(6, 1, 0.9688), (8, 1, 0.9922), (9, 2, 0.9609), (10, 2, 0.9785), (15, 4, 0.9648), (20, 6, 0.9586),
     (25, 8, 0.9567), (30, 10, 0.9572), (50, 18, 0.9672)],
)  # fmt: skip
def test_ranks_of_the_median_interval_are_those_of_the_tables(samples, rank, confidence):
    found, reached = statistics.median_ranks(samples)
    assert found == rank
    assert reached == pytest.approx(confidence, abs=5e-5)


@pytest.mark.parametrize("samples", range(2, 60))
def test_the_interval_is_the_narrowest_that_holds(samples):
    k, reached = statistics.median_ranks(samples)
    coverage = 1 - 2 * stats.binom.cdf(k - 1, samples, 0.5)
    assert reached == pytest.approx(coverage, abs=1e-12)
    assert reached >= 0.95 or k == 1
    assert 1 - 2 * stats.binom.cdf(k, samples, 0.5) < 0.95


def test_thousands_of_samples_have_an_interval_too():
    for samples in (1100, 2500, 2501, 100_000):
        k, _ = statistics.median_ranks(samples)
        assert 1 - 2 * stats.binom.cdf(k - 1, samples, 0.5) == pytest.approx(0.95, abs=0.005)


def test_five_samples_give_the_range_and_own_up_to_it():
    interval = statistics.median_interval([3.0, 1.0, 2.0, 5.0, 4.0])
    assert (interval.low, interval.high, interval.confidence) == (1.0, 5.0, 0.9375)
    assert statistics.median_interval([1.0]) is None


@given(rates)
def test_summary_orders_its_numbers(values):
    s = statistics.summarise(values)
    slack = 1 + 1e-12
    assert s.minimum <= s.median <= s.maximum
    assert s.minimum <= s.mean * slack
    assert s.mean <= s.maximum * slack
    assert s.mean == pytest.approx(stats.hmean(values))
    assert s.interval is None or s.interval.low <= s.median <= s.interval.high


@given(distinct, st.integers(3, 9))
def test_rank_test_is_scipys_exact_one(values, cut):
    a, b = values[:cut], values[cut:]
    expected = stats.mannwhitneyu(a, b, method="exact").pvalue
    assert statistics.mann_whitney(a, b) == pytest.approx(expected, rel=1e-9)


def every_order(a, b):
    """Return the exact two-sided p: the part of all ways to choose A's values that are as far off."""
    whole, n = [*a, *b], len(a)

    def away(chosen):
        rest = [whole[i] for i in range(len(whole)) if i not in chosen]
        u = sum((whole[i] > y) + (whole[i] == y) / 2 for i in chosen for y in rest)
        return abs(u - n * len(rest) / 2)

    far = [away(c) >= away(range(n)) for c in itertools.combinations(range(len(whole)), n)]
    return sum(far) / len(far)


few = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(few, few)
def test_rank_test_is_exact_where_values_are_equal(a, b):
    assert statistics.mann_whitney(a, b) == pytest.approx(every_order(a, b), abs=1e-12)


def test_equal_values_of_two_small_samples_are_not_told_apart_by_a_normal_guess():
    # The normal approximation says 0.041.
    assert statistics.mann_whitney([1, 1, 1, 2, 2], [2, 2, 2, 3, 3]) == pytest.approx(20 / 252)


def test_rank_test_of_many_values_is_scipys_normal_one():
    a, b = [i % 7 for i in range(60)], [1 + i % 6 for i in range(61)]
    expected = stats.mannwhitneyu(a, b, method="asymptotic").pvalue
    assert statistics.mann_whitney(a, b) == pytest.approx(expected, abs=1e-9)
    assert statistics.mann_whitney([1.0] * 60, [1.0] * 60) == 1


def test_correction_for_many_tests_is_holms():
    # The smallest of four counts fourfold, the next threefold, and none less than one before it.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.5, 0.9]) == [1.0, 1.0]
    assert statistics.holm([0.02]) == [0.02]
    assert statistics.holm([]) == []


def test_published_comparison():
    # Hollander and Wolfe, Nonparametric Statistical Methods, table 4.1: W = 35, one-sided p = 0.127.
    x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    y = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert statistics.mann_whitney(x, y) / 2 == pytest.approx(0.1272, abs=5e-5)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 5), (5, 8), (10, 10), (8, 20)])
def test_chances_of_u_are_those_of_all_orders(n, m):
    chances = statistics.u_chances(n, (1,) * (n + m))
    assert chances.size == 2 * n * m + 1
    assert chances.sum() == pytest.approx(1)
    assert list(chances) == pytest.approx(list(chances[::-1]))
    if n + m <= 10:
        brute = [0] * (n * m + 1)
        for places in itertools.combinations(range(n + m), n):
            brute[sum(place - i for i, place in enumerate(places))] += 1
        assert list(chances[::2]) == pytest.approx([count / math.comb(n + m, n) for count in brute])


@pytest.mark.parametrize(
    # Lower critical values of U, two-sided 5 %, from the usual table; the interval starts one above.
    ("n", "m", "critical"), [(4, 4, 0), (5, 5, 2), (6, 8, 8), (10, 10, 23), (8, 15, 29), (20, 20, 127)]
)  # fmt: skip
def test_ranks_of_the_ratio_interval_are_those_of_the_tables(n, m, critical):
    k, reached = statistics.shift_ranks(n, m)
    assert k == critical + 1
    assert reached >= 0.95


@given(distinct, st.integers(5, 7), st.sampled_from([0.5, 1.0, 1.1, 3.0]))
def test_interval_of_the_ratio_inverts_the_test(values, cut, factor):
    a, b = [float(v) for v in values[:cut]], [factor * v for v in values[cut:]]
    found = statistics.compare(a, b)
    assert found.interval.low <= found.ratio <= found.interval.high
    assert found.ratio == pytest.approx(median(y / x for x in a for y in b))
    if found.verdict == "not distinguishable":
        assert found.p >= 0.05 or found.interval.low <= 1 <= found.interval.high
    else:
        assert found.p < 0.05
        assert (found.ratio > 1) == (found.verdict == "better")


def test_the_ratios_interval_holds_the_bases_spread_too():
    base, other = [90.0, 95.0, 100.0, 105.0, 110.0, 115.0], [200.0] * 6
    found, interval = statistics.ratio(base, other)
    assert interval.low < 200 / 110 < found < 200 / 95 < interval.high
    assert interval.confidence == pytest.approx(1 - 2 * 19 / 924)


def test_the_ratio_of_very_many_values_is_that_of_all_pairs():
    a, b = ([scale * stats.norm.ppf((k + 0.5) / 1600) + 100 for k in range(1600)] for scale in (1, 2))
    found, interval = statistics.ratio(a, b)
    assert found == pytest.approx(1, abs=1e-4)
    # Of independent values: the normal distribution of the shift, 1.96 times its error.
    assert interval.high - 1 == pytest.approx(1 - interval.low, rel=0.02)
    assert 0.0005 < interval.high - 1 < 0.002


def test_verdicts():
    slow, fast = [100, 101, 102, 103, 104], [110, 111, 112, 113, 114]
    assert statistics.compare(slow, fast).verdict == "better"
    assert statistics.compare(fast, slow).verdict == "worse"
    assert statistics.compare(slow, [100.5, 101.5, 102.5, 103.5, 99]).verdict == "not distinguishable"
    assert statistics.compare(slow, fast).ratio == pytest.approx(1.098, abs=1e-3)


def test_where_smaller_is_better_the_smaller_side_is_the_better_one():
    latency = Metric("latency", "us", 1e-6, larger_is_better=False, kind="latency")
    slow, fast = [100.0, 101.0, 102.0, 103.0, 104.0], [110.0, 111.0, 112.0, 113.0, 114.0]
    found = statistics.compare(slow, fast, latency)
    assert found.verdict == "worse"
    assert found.interval.low <= found.ratio <= found.interval.high < 1
    assert found.ratio == pytest.approx(1 / statistics.compare(slow, fast).ratio)
    assert statistics.compare(fast, slow, latency).verdict == "better"


def test_only_rates_have_a_harmonic_mean():
    assert statistics.summarise([1.0, 3.0], rates=False).mean == 2.0
    assert statistics.summarise([1.0, 3.0]).mean == pytest.approx(1.5)
