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


@given(
    st.lists(st.integers(1, 6), min_size=5, max_size=30), st.lists(st.integers(1, 6), min_size=5, max_size=30)
)
def test_rank_test_with_ties_is_scipys_normal_one(a, b):
    # SciPy's answer for samples that are all alike is not a number.
    if len({*a, *b}) == 1:
        assert statistics.mann_whitney(a, b) == 1
    elif len({*a, *b}) < len(a) + len(b):
        expected = stats.mannwhitneyu(a, b, method="asymptotic").pvalue
        assert statistics.mann_whitney(a, b) == pytest.approx(expected, abs=1e-9)


def test_published_comparison():
    # Hollander and Wolfe, Nonparametric Statistical Methods, table 4.1: W = 35, one-sided p = 0.127.
    x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    y = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert statistics.mann_whitney(x, y) / 2 == pytest.approx(0.1272, abs=5e-5)


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 5), (5, 8), (10, 10), (8, 20)])
def test_counts_of_u_are_all_orders(n, m):
    counts = statistics.u_counts(n, m)
    assert sum(counts) == math.comb(n + m, n)
    assert counts == counts[::-1]
    if n + m <= 10:
        brute = [0] * (n * m + 1)
        for places in itertools.combinations(range(n + m), n):
            brute[sum(place - i for i, place in enumerate(places))] += 1
        assert list(counts) == brute


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
