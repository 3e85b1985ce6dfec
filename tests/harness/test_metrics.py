"""A metric of which smaller is better, and others than a rate, from the record to the page."""

import itertools
from dataclasses import replace

import pytest

from prk.cost import Cost
from prk.harness.analyse import compare, curves, rows
from prk.harness.show import overview, report, table
from prk.harness.store import Store
from prk.metric import Metric
from tests.harness.making import planned, renamed, stored
from tests.harness.test_bounds import LATENCY, MACHINE

UPDATES = Metric("update rate", "GUPS", 1e9)
ACCURACY = Metric("accuracy", "%", kind="quality")


def opened(folder, metric, seconds, work=1.0, runtimes=("mpi1", "other")):
    """Return the rows of a sweep on one and two cores whose points have the metric."""
    made = planned({"kernel": "nstream", "runtime": "mpi1", "ranks": [1, 2], "n": 4096}, repeat=6)
    same = [replace(p, metrics=(metric,), work=work, cost=Cost(messages=8, chain=8)) for p in made.points]
    points = tuple(p if r == "mpi1" else renamed(p, r) for p in same for r in runtimes)
    order = tuple(itertools.product(range(len(points)), range(6)))
    stored(folder, replace(made, points=points, order=order), seconds)
    found = rows.opened(Store(folder))
    assert not found.loaded.problems
    return rows.rows(found.plan, found.loaded, MACHINE)


def halved(point, repeat):
    """Return seconds that halve with the cores; the other runtime takes a quarter more on two."""
    slower = 1.25 if point.runtime == "other" and point.cores == 2 else 1.0
    return 100e-6 / point.cores * slower * (1 + 0.001 * repeat)


def panel(found, ending):
    return next(p for p in curves.panels(found) if p.name.endswith(ending))


def test_a_latency_is_better_if_smaller_everywhere(tmp_path):
    found = opened(tmp_path / "s", LATENCY, halved)
    assert [round(r.summary.median) for r in found] == [100, 100, 50, 63]
    # On two cores messages bound it: 8 us of 50.
    assert found[2].fraction == pytest.approx(8 / 50, rel=0.01)

    drawn = panel(found, "scaling")
    assert drawn.y_label == "latency (us)"
    (ideal,) = (line for name, line in drawn.lines.items() if name.startswith("ideal"))
    assert [y for _, y in ideal] == [pytest.approx(100.25), pytest.approx(50.125)]
    efficiency = {s.label: s.dots for s in panel(found, "efficiency").series}
    assert [d.y for d in efficiency["mpi1"]] == [pytest.approx(1.0)] * 2
    slower = efficiency["other"][1]
    assert slower.y == pytest.approx(0.8)
    assert slower.interval.low <= slower.y <= slower.interval.high
    bound = panel(found, "bound")
    assert bound.y_label == "bound / latency"
    assert list(bound.lines) == ["bound: latency"]
    assert all(0 < d.y < 1 for s in bound.series for d in s.dots)


def test_the_best_cell_of_a_latency_is_the_smallest(tmp_path):
    found = opened(tmp_path / "s", LATENCY, halved)
    shown = overview.of(found)
    assert [(k["kernel"], k["unit"]) for k in shown["kernels"]] == [
        ("nstream", "latency in us, smaller is better")
    ]
    cells = {line["runtime"]: line["cells"][0] for line in shown["lines"]}
    assert (cells["mpi1"]["best"], cells["mpi1"]["share"]) == (True, 100)
    assert (cells["other"]["best"], cells["other"]["share"]) == (False, 80)
    assert "nstream, latency in us, smaller is better, median" in table.text(found)


def test_a_longer_latency_is_slower_and_a_lower_quality_is_worse(tmp_path):
    opened(tmp_path / "a", LATENCY, halved, runtimes=("mpi1",))
    opened(tmp_path / "b", LATENCY, lambda p, r: 2 * halved(p, r), runtimes=("mpi1",))
    lines = [x for x in compare.text(f"{tmp_path}/a", f"{tmp_path}/b").splitlines() if "nstream" in x]
    assert len(lines) == 2
    assert all(x.endswith("  slower") and " 0.500 " in x for x in lines)
    opened(tmp_path / "c", ACCURACY, halved, runtimes=("mpi1",))
    opened(tmp_path / "d", ACCURACY, lambda p, r: 2 * halved(p, r), runtimes=("mpi1",))
    text = compare.text(f"{tmp_path}/c", f"{tmp_path}/d")
    assert text.count("  worse") == 2


def test_quality_is_not_expected_to_grow_with_the_cores(tmp_path):
    found = opened(tmp_path / "s", ACCURACY, lambda p, r: 0.0125 * (1 + 0.0001 * r), runtimes=("mpi1",))
    (ideal,) = panel(found, "scaling").lines.values()
    assert ideal[0][1] == ideal[1][1]
    assert [d.y for d in panel(found, "efficiency").series[0].dots] == [pytest.approx(1.0)] * 2
    assert not [p for p in curves.panels(found) if p.name.endswith("bound")]


def test_gups_are_billions(tmp_path):
    found = opened(tmp_path / "s", UPDATES, halved, work=1e6, runtimes=("mpi1",))
    # A million updates in 100 us are ten billion a second.
    assert found[0].summary.median == pytest.approx(10, rel=0.01)
    assert panel(found, "scaling").y_label == "update rate (GUPS)"
    assert table.flat(found[0])["unit"] == "GUPS"


def test_a_run_that_missed_its_target_is_right_and_shown_as_missed(tmp_path):
    made = planned({"kernel": "nstream", "runtime": "mpi1", "n": 4096}, repeat=3)
    kept = stored(tmp_path / "s", made)
    path = kept.path(next(iter(made.launches())))
    path.write_text(path.read_text().replace('"status": "ok"', '"status": "missed"').replace(
        '"reason": null', '"reason": "accuracy reached 0.9, wanted 0.95"'))  # fmt: skip
    found = rows.opened(kept)
    (row,) = found.rows
    assert (row.state, row.summary.samples) == ("2 ok, 1 missed", 3)
    assert "all of them right" in report.headline(found.plan, found.loaded)
    assert "1 missed" in report.render(found)
    assert "wanted 0.95" in table.of_status(kept.folder, found.plan, found.loaded)
