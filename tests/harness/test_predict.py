"""Predictions: the machine's file, the replay against plain versions, the study's findings, the figures."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prk.harness import cli
from prk.harness.analyse import curves, predicted, rows
from prk.harness.analyse.predicted import Prediction
from prk.harness.show import figures, report, table
from prk.harness.store import Store
from prk.machine import bounds, measure, model, replay
from prk.machine.model import Figure, Rates
from prk.machine.replay import Replay
from prk.problem import Refusal
from prk.records import write
from prk.run import registry
from prk.schedule import (
    BARRIER,
    FLAG,
    FLUSHED,
    GOT,
    ORDERED,
    POSTED,
    SEND,
    Exchange,
    Fastest,
    Layout,
    Meanwhile,
    Meeting,
    Pipeline,
    Shifts,
    Work,
)
from tests.harness.making import planned, stored
from tests.harness.test_bounds import MACHINE

EDISON = model.read("edison")
# What interrupts nobody, so that seconds can be told by hand.
QUIET = EDISON.what_if({"noise.rate": 1e-30})
# Small nodes and groups, so that few ranks have all distances.
SMALL = replace(
    QUIET,
    figures={
        **QUIET.figures,
        "node.cores": Figure(4, "assumed", "a test"),
        "node.of_group": Figure(2, "assumed", "a test"),
    },
)


# ---------------------------------------------------------------- the machine's file


def test_every_figure_of_the_shipped_machines_has_a_source():
    paths = sorted(model.SHIPPED.glob("*.toml"))
    assert [p.stem for p in paths] == ["edison"]
    for path in paths:
        own = model.read(path)
        assert own.figures.keys() == model.UNITS.keys()
        assert {f.origin for f in own.figures.values()} == {"found", "fitted", "assumed"}
        assert all(len(f.source) > 5 for f in own.figures.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distance.node.latency": None}, "distance.node.latency: is missing"),
        ({"distance.moon.latency": {"value": 1}}, "distance.moon.latency: there is no such figure"),
        ({"noise.rate": {"value": -1, "from": "found", "source": "x"}}, "-1 is no number"),
        ({"noise.rate": {"value": True, "from": "found", "source": "x"}}, "True is no number"),
        ({"node.cores": {"value": 0, "from": "found", "source": "x"}}, "0 is no count"),
        ({"noise.rate": {"value": 1, "from": "heard", "source": "x"}}, "is from 'heard'"),
        ({"noise.rate": {"value": 1, "from": "found", "source": ""}}, "has no source"),
        ({"noise.rate": 3}, "None is no number"),
    ],
)
def test_a_machine_is_read_strictly(tmp_path, change, said):
    own = EDISON.table()
    own["figures"] |= change
    own["figures"] = {name: figure for name, figure in own["figures"].items() if figure is not None}
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"model": own}))
    with pytest.raises(Refusal, match=said.replace(".", r"\.")):
        model.read(path)


@pytest.mark.parametrize(
    "series",
    [
        {},
        {"work": [1, 1], "core": [1, 1], "node": [1, 1]},
        {"work": [], "core": [], "node": []},
        {"work": [1, 2], "core": [1], "node": [1, 2]},
        {"work": [1], "core": [0], "node": [1]},
    ],
)
def test_rates_are_read_strictly(tmp_path, series):
    own = EDISON.table() | {"kernels": {"stencil": {**series, "from": "measured", "source": "x"}}}
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"model": own}))
    with pytest.raises(Refusal, match=r"kernels\.stencil"):
        model.read(path)


def test_files_that_are_no_machines_are_refused(tmp_path):
    with pytest.raises(Refusal, match="a shipped one: edison"):
        model.read("moon")
    path = tmp_path / "machine.json"
    path.write_text('{"bounds": {}}')
    with pytest.raises(Refusal, match="has no model; measure again"):
        model.read(path)
    path.write_text("[")
    with pytest.raises(Refusal, match="cannot be read"):
        model.read(path)


def test_what_is_written_is_read_again(tmp_path):
    rates = Rates((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), "measured", "a test")
    own = replace(EDISON, kernels={"stencil": rates})
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"model": own.table()}))
    assert model.read(path) == own


def test_factors_change_what_they_name():
    own = replace(EDISON, kernels={"x": Rates((1.0,), (2.0,), (4.0,), "measured", "a test")})
    half = own.what_if(model.factors("latency=0.5,injection=2,memory=2"))
    for d in model.DISTANCES:
        assert half[f"distance.{d}.latency"] == own[f"distance.{d}.latency"] / 2
        assert half[f"distance.{d}.overhead"] == own[f"distance.{d}.overhead"]
    assert half["injection.bandwidth"] == 2 * own["injection.bandwidth"]
    assert half["memory.bandwidth"] == 2 * own["memory.bandwidth"]
    assert (half.kernels["x"].core, half.kernels["x"].node) == ((1.0,), (2.0,))
    one = own.what_if(model.factors("distance.node.latency=3"))
    changed = {name for name in own.figures if one[name] != own[name]}
    assert changed == {"distance.node.latency"}
    assert all(own.what_if({word: 2.0}).figures != own.figures for word in model.TOGETHER)


@pytest.mark.parametrize("text", ["moon=2", "latency", "latency=x", "latency=0", "latency=-1", "latency=inf"])
def test_odd_factors_are_refused(text):
    with pytest.raises(Refusal, match="--what-if"):
        model.factors(text)


def test_rates_between_sizes():
    rates = Rates((1.0, 100.0), (1.0, 50.0), (1.0, 100.0), "measured", "a test")
    assert rates.of(10.0)[0] == pytest.approx(1.5)
    assert rates.of(0.1) == (1.0, 1.0)
    assert rates.of(1e9) == (2.0, 1.0)
    assert rates.without(0).of(1.0) == (2.0, 1.0)


# ---------------------------------------------------------------- the replay, against plain versions of it


def far(layout: Layout, a: int, b: int) -> int:
    """Return the distance of two ranks by its definition: cores of a node fill its sockets in order."""
    cores, sockets, of_group = (int(SMALL[f"node.{n}"]) for n in ("cores", "sockets", "of_group"))

    def where(rank: int) -> tuple[int, int, int]:
        node, place = divmod(rank, layout.each)
        return place * layout.threads % cores * sockets // cores, node, node // of_group

    x, y = where(a), where(b)
    return 3 if x[2] != y[2] else 2 if x[1] != y[1] else 1 if x[0] != y[0] else 0


def figure(d: int, name: str) -> float:
    return SMALL[f"distance.{model.DISTANCES[d]}.{name}"]


def took(way: str, size: int, d: int, share: int) -> tuple[float, float, float, float]:
    """Return what a message takes its sender before, on its way, the sender after, and the receiver."""
    latency, overhead, per_byte = figure(d, "latency"), figure(d, "overhead"), 1 / figure(d, "bandwidth")
    sent = size * per_byte
    # Inside a node what is put is stored, and nothing is left to be flushed.
    one, back = (latency, 2 * latency) if d >= 2 else (figure(d, "flag"), 0.0)
    if d >= 2:
        sent = max(sent, share * size / SMALL["injection.bandwidth"], share * SMALL["injection.gap"])
    return {
        SEND: (overhead, latency + sent, 0.0, overhead),
        ORDERED: (overhead, one + sent, 0.0, 0.0),
        FLUSHED: (2 * overhead + back + sent, one, back, overhead),
        GOT: (overhead, (2 * latency if d >= 2 else one) + sent, 0.0, 0.0),
        FLAG: (0.0, figure(min(d, 1), "flag") if d < 2 else 0.0, 0.0, 0.0),
    }[way]


def made(layout: Layout) -> Replay:
    return Replay(SMALL, layout, None, 1.0, True)


def layouts() -> st.SearchStrategy[Layout]:
    return st.builds(lambda each, nodes: Layout(each * nodes, nodes), st.integers(1, 4), st.integers(1, 6))


@settings(max_examples=80, deadline=None)
@given(
    layouts(), st.sampled_from([SEND, ORDERED, FLUSHED, GOT]), st.integers(0, 10**6), st.booleans(), st.data()
)
def test_shifts_phase_by_phase(layout, way, size, answered, data):
    units = layout.ranks
    shifts = np.array(data.draw(st.lists(st.integers(1, max(1, units - 1)), min_size=1, max_size=6)))
    step = Shifts(shifts, units, np.array([size]), pack=100.0, unpack=50.0, way=way, answered=answered)
    own = made(layout)
    own.take(step)
    clock = [0.0] * units
    pack, unpack = float(own.seconds_of(100.0)), float(own.seconds_of(50.0))
    for s in (int(s) % units for s in shifts):
        leaving = [0] * layout.nodes
        for u in range(units):
            leaving[u // layout.each] += u // layout.each != (u - s) % units // layout.each
        share, left, begun = max(leaving), [0.0] * units, clock
        for u in range(units):
            to = (u - s) % units
            left[u] = begun[u] + pack + took(way, size, far(layout, u, to), share)[0] * (size > 0)
        clock = []
        for u in range(units):
            source = (u + s) % units
            d = far(layout, u, source)
            _, flight, after, accept = took(way, size, d, share)
            accept *= size > 0
            if answered:
                accept += figure(d, "overhead")
                accept += 2 * figure(d, "latency") if way == FLUSHED and d >= 2 else 0.0
            clock.append(max(left[u] + after, left[source] + flight) + accept + unpack)
    assert own.clock.tolist() == pytest.approx(clock, rel=1e-12)


@settings(max_examples=80, deadline=None)
@given(layouts(), st.sampled_from([SEND, ORDERED, FLUSHED, GOT]), st.booleans(), st.data())
def test_exchanges_message_by_message(layout, way, completed, data):
    ranks = layout.ranks
    pairs = st.tuples(st.integers(0, ranks - 1), st.integers(0, ranks - 1), st.integers(0, 10**6))
    table_ = sorted(data.draw(st.lists(pairs, min_size=1, max_size=20)), key=lambda row: row[0])
    own = made(layout)
    start = data.draw(st.lists(st.floats(0, 1e-4), min_size=ranks, max_size=ranks))
    own.clock[:] = start
    source, to, size = (np.array(column) for column in zip(*table_, strict=True))
    own.take(Exchange(source, to, size, way, completed))
    node = [r // layout.each for r in range(ranks)]
    leaving = [len({s for s, t, _ in table_ if node[s] == n != node[t]}) for n in range(layout.nodes)]
    clock, arrived, taking, done = list(start), [0.0] * ranks, [0.0] * ranks, [0.0] * ranks
    last: tuple[int, float] = (-1, 0.0)
    for s, t, n in table_:
        d = far(layout, s, t)
        before, flight, after, accept = took(way, n, d, leaving[node[s]])
        leave = clock[s] + before
        if last[0] == s:
            leave = max(leave, last[1] + figure(d, "gap"))
        last, clock[s] = (s, leave), leave + after
        arrived[t] = max(arrived[t], leave + flight + accept)
        taking[t] += accept
        if completed:
            done[s] = max(done[s], leave + flight + (figure(d, "latency") if d >= 2 else 0.0))
    wanted = [max(clock[r] + taking[r], arrived[r], done[r]) for r in range(ranks)]
    assert own.clock.tolist() == pytest.approx(wanted, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    layouts(),
    st.sampled_from([SEND, FLUSHED, ORDERED, POSTED]),
    st.integers(2, 12),
    st.integers(1, 3),
    # Little work, so that answers are waited for, and much.
    st.sampled_from([1.0, 1000.0]),
)
def test_a_pipeline_line_by_line(layout, way, lines, group, points):
    ranks = layout.ranks
    width = np.arange(1, ranks + 1) * points
    own = made(layout)
    own.take(Pipeline(lines, group, width, (way,) * ranks, np.ones(ranks, bool)))
    each = [float(own.seconds_of(16.0 * group * w)) for w in width]
    said: list[Any] = []
    for r in range(ranks):
        d = far(layout, r, (r + 1) % ranks)
        o, latency = figure(d, "overhead"), figure(d, "latency")
        sent = 8 * group / figure(d, "bandwidth")
        one, back = (latency, 2 * latency) if d >= 2 else (figure(d, "flag"), 0.0)
        ways = {
            SEND: (o, latency + sent, 0, o),
            ORDERED: (2 * o, one + sent, 0, o),
            FLUSHED: (2 * o + back + sent, one, back, o),
            POSTED: (2 * o, one + sent, 0, 2 * o),
        }
        said.append((*ways[way], one + o))
    clock, allowed, arrival = [0.0] * ranks, [0.0] * ranks, 0.0
    for _ in range(math.ceil((lines - 1) / group)):
        for r in range(ranks):
            heard = clock[r]
            if r:
                heard = max(clock[r], arrival) + said[r - 1][3]
                allowed[r - 1] = heard + said[r - 1][4]
            computed = heard + each[r]
            if way == POSTED and r < ranks - 1:
                computed = max(computed, allowed[r])
            before, flight, after, _ = said[r][:4] if ranks > 1 else (0, 0, 0, 0)
            # Nobody hears of the last one but by the corner.
            told = before + after if r < ranks - 1 else 0.0
            clock[r], arrival = computed + told, computed + before + flight
    end = arrival + (said[-1][3] if ranks > 1 else 0.0)
    assert own.clock.tolist() == pytest.approx([end] * ranks, rel=1e-12)


def test_fences_let_nobody_go_before_the_last():
    layout = Layout(8, 2)
    blocks = Shifts(
        np.arange(1, 8), 8, np.array([0]), pack=1e5, unpack=1e5, way=ORDERED, fence=True, bundle=3
    )
    own = made(layout)
    own.take(blocks)
    fence = own.meeting(8, BARRIER)
    # Two rounds in a node, one between them.
    assert fence == pytest.approx(
        2 * (2 * figure(1, "overhead") + figure(1, "latency"))
        + 2 * figure(2, "overhead")
        + figure(2, "latency")
    )
    work = 7 * 2 * float(own.seconds_of(1e5))
    assert len(set(own.clock.tolist())) == 1
    assert work + 6 * fence < own.clock[0] < work + 6 * fence + 7 * 5e-5
    more = made(layout)
    more.take(replace(blocks, bundle=1))
    assert more.clock[0] > own.clock[0] + 7 * fence


def test_meetings_work_and_what_goes_on_meanwhile():
    own = made(Layout(8, 2))
    own.clock[:] = np.arange(8) * 1e-3
    own.take(Meeting(4, FLAG))
    assert own.clock.tolist() == pytest.approx(
        [3e-3 + 3 * figure(1, "flag")] * 4 + [7e-3 + 3 * figure(1, "flag")] * 4
    )
    one = made(Layout(1))
    one.take(Work(SMALL["memory.core_bandwidth"]))
    assert one.clock[0] == pytest.approx(1.0)
    work, wait = Work(SMALL["memory.core_bandwidth"]), Work(SMALL["memory.core_bandwidth"] / 10)
    one = made(Layout(1))
    one.take(Meanwhile(work, (0.5, 0.95), ((wait,), (wait,))))
    assert one.clock[0] == pytest.approx(1.05)
    one.take(Fastest(((work,), (wait,)), 1))
    assert one.clock[0] == pytest.approx(1.15)
    with pytest.raises(TypeError, match="no replay"):
        one.take("a step")


def test_ranks_of_a_node_share_its_memory_and_threads_add_up():
    cores = int(QUIET["node.cores"])
    rate = {
        (ranks, threads): Replay(QUIET, Layout(ranks, 1, threads), None, 1.0, True).rate[0]
        for ranks, threads in ((1, 1), (2, 1), (cores, 1), (2, cores // 2), (2 * cores, 1))
    }
    assert rate[1, 1] == rate[2, 1] == QUIET["memory.core_bandwidth"]
    assert cores * rate[cores, 1] == 2 * rate[2, cores // 2] == pytest.approx(QUIET["memory.bandwidth"])
    assert 2 * cores * rate[2 * cores, 1] == pytest.approx(QUIET["memory.bandwidth"])


def test_measured_rates_take_the_place_of_memory_and_flop():
    rates = Rates((1e6,), (1e-3,), (4e-3,), "measured", "a test")
    one, every = (Replay(QUIET, Layout(n), rates, 1e6, True) for n in (1, 24))
    assert float(one.seconds_of(1e6, 1e99)) == pytest.approx(1e-3)
    assert float(every.seconds_of(1e6)) == pytest.approx(4e-3)
    flop = Replay(QUIET, Layout(1), rates, 1e6, False)
    assert float(flop.seconds_of(1e99, 1e6)) == pytest.approx(1e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(
        [("mpi1", "stencil"), ("mpirma", "transpose"), ("mpishm", "synch_p2p"), ("mpi1", "allreduce")]
    ),
    st.sampled_from(sorted(model.TOGETHER)),
    st.floats(1.01, 10),
)
def test_a_better_machine_is_never_slower(cell, word, factor):
    name, kernel = cell
    size = {"transpose": {"order": 96}, "synch_p2p": {"m": 96, "n": 40}}.get(kernel, {})
    worse = factor if word in ("latency", "overhead", "gap", "flag") else 1 / factor
    # Noise is drawn anew: with more of it there may by chance be less.
    if word == "noise":
        return
    seconds = [of(name, kernel, m, Layout(12, 3), **size) for m in (SMALL, SMALL.what_if({word: worse}))]
    assert seconds[1] >= seconds[0] * (1 - 1e-9)


def of(name: str, kernel: str, machine: Any, layout: Layout, options: Any = (), **size: Any) -> float:
    """Return the seconds of a cell on a machine."""
    how, problem = registry.runtime(name), registry.problem_class(kernel)(**size)
    chosen = {o.name: o.default for o in how.cell(kernel).options} | dict(options)
    schedule: Any = how.cell(kernel).schedule
    cost = problem.mean_cost(layout.ranks)
    amount = (cost.bytes or cost.flop) / layout.ranks
    steps = schedule(problem, chosen, layout)
    return replay.seconds(machine, layout, steps, machine.kernels.get(kernel), amount, cost.bytes > 0)


# ---------------------------------------------------------------- what the study found


N = 49152


def rates_of(
    name: str, kernel: str, nodes: tuple[int, ...], options: Any = (), each: int = 24, threads: int = 1
):
    """Return the repetitions a second of a cell on nodes of Edison, at the study's size."""
    size = {"stencil": {"n": N}, "synch_p2p": {"m": N, "n": N}, "transpose": {"order": N}}[kernel]
    return [1 / of(name, kernel, EDISON, Layout(each * n, n, threads), options, **size) for n in nodes]


def test_fences_fall_behind_in_stencil_at_scale():
    fence, messages = (rates_of(name, "stencil", (1, 512)) for name in ("mpirma", "mpi1"))
    assert fence[0] > 0.99 * messages[0]
    # Every repetition waits for the one rank that was interrupted for longest.
    assert fence[1] < 0.95 * messages[1]


def test_handshakes_fall_behind_in_synch_p2p_which_has_a_peak():
    messages = rates_of("mpi1", "synch_p2p", (16, 64, 512))
    posted = rates_of("mpirma", "synch_p2p", (1, 64))
    assert posted[0] > 0.9 * rates_of("mpi1", "synch_p2p", (1,))[0]
    assert posted[1] < 0.5 * messages[1]
    assert messages[0] < messages[1] > messages[2]


def test_groups_win_transpose_past_about_1500_cores():
    """The gap of injection was fitted to that: the model can show it, and has not foretold it."""
    nodes = (16, 32, 64, 128, 256, 512)
    messages = rates_of("mpi1", "transpose", nodes)
    ranks = rates_of("mpishm", "transpose", nodes, {"group-size": 24})
    threads = rates_of("mpithreads", "transpose", nodes, each=2, threads=12)
    assert max(messages) == messages[2]
    for place, count in enumerate(nodes):
        assert (messages[place] > max(ranks[place], threads[place])) == (count <= 64)
    assert ranks == sorted(ranks)
    assert threads == sorted(threads)


# ---------------------------------------------------------------- how it is shown


def test_a_sweep_is_predicted_and_drawn_as_such(tmp_path, capsys):
    sweep = tmp_path / "own.toml"
    sweep.write_text(
        '[[points]]\nkernel = "transpose"\nruntime = ["mpi1", "charm4py"]\norder = 96\n'
        "ranks = [4, 8, 16]\n"
        '[[points]]\nkernel = "stencil"\nruntime = ["mpi1", "mpirma"]\nn = 400\nranks = [1, 2, 4]\n'
    )
    folder = tmp_path / "out"
    words = ["predict", str(sweep), "--machine", "edison", "--out", str(folder), "--limits"]
    assert cli.main([*words, "--isoefficiency", "0.5", "--what-if", "latency=0.5", "--report"]) == 0
    said = capsys.readouterr().out
    assert "not predicted: charm4py: has no schedule of transpose" in said
    assert "(3 points)" in said
    assert "mpi1: " in said
    assert "size wanted" in said
    sweep_ = predicted.shown(rows.opened(Store(folder)))
    assert {row.state for row in sweep_.rows} == {"predicted"}
    assert {row.predicted for row in sweep_.rows} == {"Cray XC30 Edison, latency x 0.5"}
    assert all(row.summary and row.summary.interval is None and not row.values for row in sweep_.rows)
    page = (folder / "report.html").read_text()
    assert "12 points, predicted by a model; nothing was measured." in page
    assert "mpi1 predicted" in page
    # None of it is to be run.
    assert cli.main(["continue", str(folder)]) == 0
    assert cli.main(["results", str(folder)]) == 0
    assert "predicted" in capsys.readouterr().out
    for panel in curves.panels(sweep_.rows):
        if panel.drawable:
            figure_ = figures.draw(panel)
            labels = {one.label for one in panel.series}
            lines = [x for x in figure_.axes[0].get_lines() if x.get_gid() in labels]
            assert lines
            assert {x.get_marker() for x in lines} == {"*"}
            assert not figure_.axes[0].containers


def test_predicted_stands_beside_measured(tmp_path):
    made_ = planned({"kernel": "transpose", "runtime": "mpi1", "order": 96, "ranks": [1, 2, 4]}, repeat=6)
    kept = stored(tmp_path / "s", made_, lambda p, r: 1e-3 * (1 + 0.01 * r) / p.cores)
    found, why = predicted.of_plan(made_, EDISON)
    assert not why
    predicted.save(kept, EDISON, found, why, {})
    sweep = predicted.shown(rows.opened(kept))
    panels = {p.name.rpartition("-")[2]: p for p in curves.panels(sweep.rows)}
    scaling = panels["scaling"]
    assert [(s.label, s.predicted, len(s.dots)) for s in scaling.series] == [
        ("mpi1", False, 3),
        ("mpi1 predicted", True, 3),
    ]
    assert "bar: its 96.9% interval; star, dotted: predicted, not measured" in scaling.legend
    assert "predicted by the model of Cray XC30 Edison" in scaling.notes
    drawn = figures.draw(scaling).axes[0]
    assert [line.get_marker() for line in drawn.get_lines() if line.get_gid() == "mpi1 predicted"] == ["*"]
    # The bars are those of what was measured.
    assert len(drawn.containers) == 1
    # Related to what was measured, and never its base.
    assert all(not d.interval and not d.samples for s in scaling.series if s.predicted for d in s.dots)
    assert next(iter(scaling.lines)) == "ideal, from mpi1 on 1 core"
    assert "6 launches a point" in scaling.about
    assert "mpi1 predicted" in report.render(rows.opened(kept))
    assert "mpi1 predicted" in table.text(sweep.rows)
    # What is compared and written elsewhere is what was measured.
    assert not any(row.predicted for row in rows.opened(kept).rows)


def test_spoilt_predictions_are_refused(tmp_path):
    made_ = planned({"kernel": "stencil", "runtime": "mpi1", "n": 100, "ranks": [1, 2]})
    kept = stored(tmp_path / "s", made_)
    for text in ("[", '{"schema": 9}', '{"schema": 1}'):
        (kept.folder / predicted.FILE).write_text(text)
        with pytest.raises(Refusal, match="remove it, and predict again"):
            predicted.read(kept)


def test_what_has_no_schedule_says_so():
    made_ = planned(
        {"kernel": "allreduce", "runtime": "mpi1", "collective": "alltoall", "ranks": 2},
        {"kernel": "nstream", "runtime": "mpi1", "ranks": 2},
        {"kernel": "stencil", "runtime": "other"},
        runtimes={"other": {"command": "x"}},
    )
    found, why = predicted.of_plan(made_, EDISON)
    assert not found
    assert {text.partition(": ")[2].partition(";")[0] for text in why.values()} == {
        "states no schedule of these parameters",
        "has no schedule of nstream",
        "is a program of others",
    }


def test_shares_say_what_takes_the_time():
    made_ = planned(
        {"kernel": "transpose", "runtime": "mpi1", "order": N, "nodes": [1, 512], "ranks_per_node": 24}
    )
    one, many = (predicted.of_point(p, EDISON, limits=True).shares or {} for p in made_.points)
    assert one["memory"] > 0.5 > many["memory"]
    assert many["latency"] > 0.5 > one["latency"]
    assert 0.8 < sum(one.values()) < 1.3


def test_the_size_that_an_efficiency_wants_grows_with_the_ranks():
    made_ = planned(
        {"kernel": "stencil", "runtime": "mpi1", "n": 5000, "nodes": [1, 16], "ranks_per_node": 24}
    )
    few, many = (predicted.isoefficient(p, QUIET, 0.9) for p in made_.points)
    assert few
    assert many
    assert few < many
    assert predicted.isoefficient(made_.points[0], QUIET, 0.9999999) is None


def test_commands_refuse_what_they_cannot_do(tmp_path, capsys):
    for words, said in (
        (["stencil", "--machine", "moon"], "a shipped one: edison"),
        (["study-stencil", "--machine", "edison", "--what-if", "moon=1"], "there is no 'moon'"),
        (["study-stencil", "--machine", "edison", "--isoefficiency", "2"], "2 is no part of the time"),
    ):
        assert cli.main(["predict", *words]) == 2
        assert said in capsys.readouterr().err
    kept = stored(tmp_path / "s", planned({"kernel": "nstream", "runtime": "mpi1", "ranks": 2}))
    assert cli.main(["predict", str(kept.folder), "--machine", "edison", "--out", "x"]) == 2
    assert "is a sweep's folder itself" in capsys.readouterr().err
    assert cli.main(["predict", str(kept.folder), "--machine", "edison"]) == 2
    assert "has no schedule of nstream" in capsys.readouterr().err


# ---------------------------------------------------------------- a machine that was measured

CORE = {"latency": 1e-7, "overhead": 2e-7, "gap": 3e-7, "bandwidth": 1e10, "flag": 5e-8}
TALKED = {
    "distance": {"core": CORE},
    "sockets": 1,
    "noise": {"rate": 10.0, "duration": 1e-5},
}


@pytest.mark.parametrize("nodes", [1, 2])
def test_what_was_measured_becomes_a_model(tmp_path, nodes):
    talked: Any = TALKED
    if nodes == 2:
        far_ = {"latency": 1e-6, "overhead": 2e-7, "gap": 3e-7, "bandwidth": 5e9}
        distances = {"core": CORE, "node": far_}
        talked = {**TALKED, "distance": distances, "injection": {"bandwidth": 8e9, "gap": 1e-7}}
    found = measure.of_measured(MACHINE, talked, {"stencil": [[1e6, 1e-3]]}, {"stencil": [[1e6, 2e-3]]})
    origins = {name: figure.origin for name, figure in found.figures.items()}
    assert origins["distance.core.latency"] == "measured"
    assert origins["distance.socket.flag"] == "assumed"
    assert (
        origins["distance.node.latency"]
        == origins["injection.gap"]
        == ("assumed" if nodes == 1 else "measured")
    )
    assert found["distance.group.latency"] == (1e-7 if nodes == 1 else 1e-6)
    assert found.kernels["stencil"].of(1e6) == (1e9, 5e8)
    path = tmp_path / "machine.json"
    write.write({"schema": bounds.VERSION, "bounds": {}, "model": found.table()}, path)
    assert model.read(path) == found


def test_predictions_are_kept_whole(tmp_path):
    made_ = planned({"kernel": "stencil", "runtime": "mpi1", "n": 100, "ranks": [1, 2]})
    kept = stored(tmp_path / "s", made_)
    own = {p.id: Prediction(0.5, 1, 2, {"latency": 0.1}) for p in made_.points}
    predicted.save(kept, EDISON, own, {}, {"latency": 2.0})
    assert predicted.read(kept) == ("Cray XC30 Edison, latency x 2", own)
