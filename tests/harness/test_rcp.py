"""Reference convergence points: the rules' own example, both readings of it, and the checker in use."""

import io
import itertools
import json
import math
from statistics import fmean, pstdev

import numpy as np
import pytest
import scipy.stats
from mlperf_logging.rcp_checker import rcp_checker

from prk.harness.analyse import rcp
from prk.harness.analyse.rcp import FULL, TRIMMED, Point

# The example in the appendix of MLPerf's training rules: epochs at two batches; a result takes five runs.
RUNS = 5
EXAMPLE = {128: [16, 14, 16, 17, 16, 16, 15, 16, 15, 16], 256: [20, 21, 21, 20, 22, 22, 21, 21, 20, 20]}


def example(std):
    return [rcp.point(batch, epochs, std) for batch, epochs in EXAMPLE.items()]


@pytest.mark.parametrize(
    ("batch", "std", "mean", "deviation", "speedup"),
    [
        (128, TRIMMED, 15.75, 0.43, 3.53),
        (256, TRIMMED, 20.75, 0.66, 4.12),
        (128, FULL, 15.75, 0.78, 6.56),
        (256, FULL, 20.75, 0.75, 4.69),
    ],
)
def test_both_readings_of_the_rules_example(batch, std, mean, deviation, speedup):
    one = rcp.point(batch, EXAMPLE[batch], std)
    assert (one.mean, one.runs) == (mean, 8)
    assert one.deviation == pytest.approx(deviation, abs=0.005)
    assert 100 * (one.mean / rcp.least(one, RUNS) - 1) == pytest.approx(speedup, abs=0.005)


@pytest.mark.parametrize(
    ("batch", "epochs", "passes"),
    [
        (128, [15, 15, 15, 16, 16], True),
        (256, [19, 19, 19, 20, 21], False),
        (192, [17, 18, 18, 18, 20], True),
        # Fewer than at the smallest batch of the reference, which is the stricter one; and as many.
        (64, [14, 15, 15, 15, 17], False),
        (64, [15, 15, 15, 16, 16], True),
        # One that missed is the slowest; two are in the mean.
        (128, [15, 15, 15, 16, math.inf], True),
    ],
)
def test_submissions_of_the_rules_example(batch, epochs, passes):
    found = rcp.judge(example(TRIMMED), batch, epochs, RUNS)
    assert found.passes is passes
    assert found.mean == fmean(sorted(epochs)[1:-1])
    assert found.factor == max(1.0, found.point.mean / found.mean)


def test_points_between_and_beyond_those_of_the_rules_example():
    found = rcp.matched(example(TRIMMED), 192, RUNS)
    assert found
    between, how = found
    assert (between.mean, how) == (18.25, "between 128 and 256")
    assert between.deviation == pytest.approx(0.547, abs=0.0005)
    assert between.mean / rcp.least(between, RUNS) - 1 == pytest.approx(0.0368, abs=0.0002)
    assert rcp.judge(example(TRIMMED), 512, [30] * 5, RUNS) is None


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 9, 24, 75])
def test_student_s_quantile_is_that_of_scipy(freedom):
    for part in (0.6, 0.95, 0.999):
        assert rcp.quantile(part, freedom) == pytest.approx(scipy.stats.t.ppf(part, freedom), rel=1e-9)


def checker(monkeypatch, points, runs):
    """Return the checker in use with a benchmark of ours."""
    monkeypatch.setitem(rcp_checker.submission_runs["training"], "ours", runs)
    table = {
        f"ours_{batch}": {
            "Benchmark": "ours", "BS": batch, "Hyperparams": {}, "Epochs to converge": list(epochs),
        }
        for batch, epochs in points.items()
    }  # fmt: skip
    return rcp_checker.RCP_Checker("training", "6.1.0", "ours", False, io.StringIO(json.dumps(table)))


def agree(theirs, points, runs):
    """Compare points, pruning, interpolation and every verdict with the checker's."""
    ours = [rcp.point(batch, epochs, FULL) for batch, epochs in points.items()]
    for one in ours:
        known = theirs.rcp_data[f"ours_{one.batch}"]
        assert (one.mean, one.deviation) == pytest.approx((known["RCP Mean"], known["RCP Stdev"]))
        assert rcp.least(one, runs) == pytest.approx(known["Min Epochs"], abs=2e-4)
    kept = {r["BS"] for r in theirs.pruned_rcp_data.values()}
    assert {one.batch for one in rcp.pruned(ours, runs)} == kept
    batches = sorted(kept)
    for low, high in itertools.pairwise(batches):
        batch = (low + high) // 2
        if batch == low:
            continue
        known = theirs._create_interp_rcp(batch, *(theirs.rcp_data[f"ours_{b}"] for b in (low, high)))[1]
        matched = rcp.matched(ours, batch, runs)
        assert matched
        found = matched[0]
        assert (found.mean, found.deviation) == pytest.approx((known["RCP Mean"], known["RCP Stdev"]))
        assert rcp.least(found, runs) == pytest.approx(known["Min Epochs"], abs=2e-4)
        # Not so near to the bound that their search ends on its other side.
        for factor in (0.7, 0.99, 1.2):
            epochs = [known["RCP Mean"] * factor] * runs
            judged = rcp.judge(ours, batch, epochs, runs)
            if abs(judged.mean - judged.least) > 1e-3:
                passes, normal = theirs._eval_submission_record(known, [*epochs], "")
                assert (judged.passes, judged.factor) == (passes, pytest.approx(normal))


def test_the_checker_in_use_says_the_same(monkeypatch):
    agree(checker(monkeypatch, EXAMPLE, RUNS), EXAMPLE, RUNS)


@pytest.mark.parametrize("seed", range(12))
def test_the_checker_in_use_says_the_same_of_any_points(monkeypatch, seed):
    draw = np.random.default_rng(seed)
    batches = 16 * draw.choice(np.arange(1, 64), draw.integers(1, 7), replace=False)
    points = {
        int(batch): draw.integers(10 + batch // 64, 30 + batch // 32, draw.integers(10, 13)).tolist()
        for batch in batches
    }
    agree(checker(monkeypatch, points, RUNS), points, RUNS)


def test_slow_points_are_pruned():
    points = [
        Point(batch, mean, 0.1, 8) for batch, mean in ((32, 12), (64, 10), (128, 14), (256, 13), (512, 20))
    ]
    # A smaller batch that is slower, and one above the line between its neighbours.
    assert [p.batch for p in rcp.pruned(points, RUNS)] == [64, 256, 512]


def test_readings_differ_by_the_runs_in_the_deviation_alone():
    epochs = [9, 10, 10, 11, 30]
    trimmed, full = (rcp.point(64, epochs, std) for std in (TRIMMED, FULL))
    assert trimmed.mean == full.mean
    assert (trimmed.deviation, full.deviation) == (pstdev([10, 10, 11]), pstdev(epochs))
