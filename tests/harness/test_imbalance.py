"""What balancing gives, by the numbers that are drawn and stated: from records made here."""

import json
from typing import Any

import pytest

from prk.harness.analyse import imbalance
from prk.harness.analyse.imbalance import crossover, reached
from prk.harness.analyse.rows import opened
from prk.harness.show import balancing, figures, report
from prk.records import identity
from tests.harness.making import a_record, planned, stored

# Cut in rows, two ranks have as much of a patch as it has rows on their side.
BLOCK: dict[str, Any] = {
    "kernel": "pic", "runtime": "mpi1", "ranks": 2, "n": 100, "particles": 1000, "iterations": 10,
    "mode": "PATCH", "right": 99, "top": [99, 79, 49], "options": {"mpi1": {"balance": ["none", "tiles"]}},
}  # fmt: skip
# The imbalance of each patch, in a first and a second period.
LOADS = {99: (1.0, 1.0), 79: (1.3, 1.2), 49: (2.0, 2.0)}


def period(end, ratio, balancing=0.0):
    """Return a period of two workers with such an imbalance of work, and a tenth more of time."""
    return {
        "repetition": end, "work": {"max": 10 * ratio, "mean": 10},
        "seconds": {"max": 1.1 * ratio, "mean": 1}, "moved": 0, "held": 0,
        "balancing": {"max": 3 * balancing, "mean": 2 * balancing, "min": balancing},
    }  # fmt: skip


def seconds(point, repeat):
    """Return the time of a repetition: as imbalanced as the work is, or a tenth more than if it is not."""
    first, second = LOADS[point.parameters["top"]]
    return (1.1 if point.options["balance"] == "tiles" else (first + second) / 2) * (1 + 0.001 * repeat)


def measured(folder, made, lost=0.11):
    """Return the opened folder of a sweep with how the load lay."""
    kept = stored(folder, made)
    for point in made.points:
        loads = LOADS[point.parameters["top"]]
        for repeat in range(made.repeat):
            took = seconds(point, repeat)
            even = point.options.get("balance") == "tiles"
            first = period(6, 1.05 if even else loads[0], lost * (1 + 0.001 * repeat) if even else 0.0)
            second = period(11, 1.0 if even else loads[1])
            record = a_record(point, took, repeat)
            record["balance"] = [{"workers": 2, "periods": [first, second]}]
            kept.path(identity.launch_name(point.id, repeat)).write_text(json.dumps(record))
    return opened(kept)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("sweep") / "s", planned(BLOCK, repeat=3))


def test_rates_over_imbalance_have_a_line_a_strategy(sweep):
    panel, *_ = imbalance.panels(sweep.rows)
    assert panel.name == "pic-balance-0-rate"
    none, tiles = panel.series
    assert (none.label, tiles.label) == ("none", "tiles")
    assert [d.x for d in none.dots] == [d.x for d in tiles.dots] == [1.0, 1.25, 2.0]
    works = [row.point.work / 1e6 for row in sweep.rows if row.point.options["balance"] == "none"]
    times = zip(works, (1.0, 1.25, 2.0), strict=True)
    assert [d.y for d in none.dots] == pytest.approx([work / seconds / 1.001 for work, seconds in times])
    assert [d.y for d in tiles.dots] == pytest.approx([work / 1.1 / 1.001 for work in works])
    assert panel.x_label == "imbalance without balancing"
    assert panel.notes[0] == "imbalance: of work with balance=none, maximum over mean"
    assert panel.notes[1].startswith("tiles: pays from 1.10 on")
    axes = figures.draw(panel).axes[0]
    assert axes.get_xlim() == pytest.approx((0.98, 2.02))


def test_imbalance_is_shown_over_the_repetitions_of_what_has_most_of_it(sweep):
    _, work, time = imbalance.panels(sweep.rows)
    assert (work.name, time.name) == ("pic-balance-0-work", "pic-balance-0-time")
    found = {s.label: [(d.x, d.y) for d in s.dots] for s in work.series}
    assert found == {"none": [(6, 2.0), (11, 2.0)], "tiles": [(6, 1.05), (11, 1.0)]}
    assert [d.y for d in time.series[1].dots] == pytest.approx([1.1 * 1.05, 1.1])
    assert len(work.series[0].dots[0].samples) == 3


def test_gain_and_what_balancing_took_are_stated(sweep):
    lines = [dict(zip(balancing.HEADER, line, strict=True)) for line in balancing.lines(sweep.rows)]
    base, tiles = (
        next(x for x in lines if "top=49" in x["size"] and x["strategy"] == s) for s in ("none", "tiles")
    )
    assert [base[h] for h in ("imbalance without", "of work", "of time", "balancing")] == [
        "2.00", "2.00", "2.20", "0.0%",
    ]  # fmt: skip
    assert base["gain"] == base[""] == ""
    # Two workers each lost 0.11 s of 11 s.
    assert [tiles[h] for h in ("imbalance without", "of work", "of time", "balancing")] == [
        "2.00", "1.02", "1.13", "1.0%",
    ]  # fmt: skip
    # All ratios of two of three values a thousandth apart: the ends are those of the spread, at 90 %.
    ends = [f"{2 / 1.1 * spread:.3f}" for spread in (1.0, 1 / 1.002, 1.002)]
    assert [tiles[h] for h in ("gain", "from", "to", "holds", "")] == [*ends, "90.0%", "pays"]
    costs = next(x for x in lines if "top=99" in x["size"] and x["strategy"] == "tiles")
    assert (costs["gain"], costs[""]) == ("0.909", "costs")


def test_crossover_lies_on_a_line_between_two_problems(sweep):
    (line,) = balancing.crossovers(sweep.rows)
    found = dict(zip(balancing.PAYS, line, strict=True))
    assert found["imbalances"] == "1.00 to 2.00"
    assert found["problems"] == "3"
    assert found["it"] == "pays from 1.10 on (1.10 to 1.10)"
    assert found["holds"] == "90.0%"
    own = [one for one in imbalance.groups(sweep.rows)[0] if one.name == "tiles"]
    exact = crossover(own)
    # From 1/1.1 at 1 to 1.25/1.1 at 1.25: two fifths of the way.
    assert exact.pays == pytest.approx(1.1)
    assert exact.early == pytest.approx(1.1 / 1.002)
    assert exact.late == pytest.approx(1.1 * 1.002)
    page = report.render(sweep)
    assert "What balancing gives" in page
    assert "pays from 1.10 on" in page


@pytest.mark.parametrize(
    ("points", "x"),
    [
        ([(1.0, 0.8), (2.0, 1.2)], 1.5),
        ([(2.0, 1.2), (1.0, 0.9), (3.0, 1.5)], 1 + 1 / 3),
        # What pays now and then pays from where it no longer costs.
        ([(1.0, 1.1), (2.0, 0.9), (3.0, 1.1)], 2.5),
        ([(1.2, 1.0), (2.0, 1.4)], 1.2),
        ([(1.0, 1.3), (2.0, 0.99)], None),
        ([(1.5, 0.9), (1.5, 1.1)], 1.5),
    ],
)
def test_what_is_reached(points, x):
    assert reached(points) == (x if x is None else pytest.approx(x))


def test_what_the_runtime_moves_is_compared_with_what_stays(tmp_path):
    charm = {"variant": ["members", "blocks"]}
    made = planned(
        {"kernel": "amr", "runtime": "charm4py", "ranks": 2, "n": 100, "refinement": 30, "balance": "no-talk",
         "iterations": 10, "options": {"charm4py": charm}}
    )  # fmt: skip
    kept = stored(tmp_path / "s", made)
    for point in made.points:
        moves = point.options["variant"] == "blocks"
        record = a_record(point, 1.0 if moves else 2.0, 0)
        one = period(11, 1.0 if moves else 2.0, 0.11 if moves else 0.0)
        record["balance"] = [{"workers": 2, "periods": [one]}]
        kept.path(identity.launch_name(point.id, 0)).write_text(json.dumps(record))
    (own,) = imbalance.groups(opened(kept).rows)
    found = {one.name: one for one in own}
    stays, moves = found["no-talk"], found["no-talk (variant=blocks)"]
    assert moves.base is stays.base is stays.row
    assert moves.gain.ratio == pytest.approx(2)
    assert moves.problem == 2.0


def test_what_does_not_pay_is_said(tmp_path):
    made = planned({**BLOCK, "top": [99, 79]}, repeat=3)
    kept = measured(tmp_path / "s", made).kept
    for point in made.points:
        if point.options["balance"] == "tiles":
            for repeat in range(3):
                path = kept.path(identity.launch_name(point.id, repeat))
                record = json.loads(path.read_text())
                slower = a_record(point, 1.3, repeat)
                path.write_text(json.dumps({**record, **{k: slower[k] for k in ("samples", "metrics")}}))
    (line,) = balancing.crossovers(opened(kept).rows)
    assert line[balancing.PAYS.index("it")] == "does not pay up to 1.25"


def test_runtimes_are_compared_by_their_best_and_by_bases_of_the_same_options(tmp_path):
    charm = {"overdecomposition": [1, 4], "balance": ["none", "tiles"]}
    made = planned(
        {**BLOCK, "runtime": ["mpi1", "charm4py"], "options": {**BLOCK["options"], "charm4py": charm}},
        repeat=2,
    )
    found = measured(tmp_path / "s", made)
    *_, panel = imbalance.panels(found.rows)
    assert panel.name == "pic-balance-best-0"
    assert [s.label for s in panel.series] == ["mpi1", "charm4py"]
    assert panel.notes[1] == "mpi1: none at 1.00, tiles at 1.25, tiles at 2.00"
    (own,) = [g for g in imbalance.groups(found.rows) if g[0].row.point.runtime == "charm4py"]
    assert {one.name for one in own} == {
        "none", "tiles", "none (overdecomposition=4)", "tiles (overdecomposition=4)",
    }  # fmt: skip
    for one in own:
        assert one.base.point.options["overdecomposition"] == one.row.point.options["overdecomposition"]
        assert one.base.point.parameters["top"] == one.row.point.parameters["top"]


def test_a_strategy_can_be_a_parameter(tmp_path):
    made = planned({"kernel": "amr", "runtime": "mpi1", "ranks": 2, "balance": ["fine-grain", "no-talk"]})
    (own,) = imbalance.groups(opened(stored(tmp_path / "s", made)).rows)
    assert [one.name for one in own] == ["fine-grain", "no-talk"]
    assert all(one.base.point.parameters["balance"] == "no-talk" for one in own)
    # Nobody has looked.
    assert (
        imbalance.panels([one.row for one in own])[0].why
        == "no valid run with balance=no-talk says how the load lies"
    )


def test_a_single_value_has_no_interval(tmp_path):
    found = measured(tmp_path / "s", planned({**BLOCK, "top": [49, 99]}, repeat=1))
    gains = [line[balancing.HEADER.index("gain") :] for line in balancing.lines(found.rows)]
    assert [gain for gain in gains if gain[0]] == [["1.818", "", "", "", ""], ["0.909", "", "", "", ""]]
    assert balancing.crossovers(found.rows)[0][-2:] == ["pays from 1.10 on", ""]


def test_nothing_is_said_where_there_is_one_strategy(tmp_path):
    made = planned({**BLOCK, "options": {}}, repeat=2)
    found = opened(stored(tmp_path / "s", made))
    assert (
        imbalance.panels(found.rows) == balancing.lines(found.rows) == balancing.crossovers(found.rows) == []
    )


def test_a_strange_balance_is_no_record(tmp_path):
    made = planned(BLOCK, repeat=1)
    kept = measured(tmp_path / "s", made).kept
    path = kept.path(identity.launch_name(made.points[0].id, 0))
    record = json.loads(path.read_text())
    record["balance"][0]["periods"][0]["work"]["max"] = "-1"
    path.write_text(json.dumps(record))
    assert opened(kept).loaded.problems == [(path.name, "has a strange balance")]
