"""Adaptive: the matrix against scipy, the rules of its scheduler, what is sent, refusals, and whole runs."""

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from prk.adaptive import loops
from prk.adaptive import scheduler as rules
from prk.adaptive.matrix import Matrix, edges, made, start
from prk.adaptive.optimisations import BY_NAME, COMPRESSION, FLOAT32
from prk.adaptive.problem import MODES, PROBES, ROWS, Adaptive, gain, loss
from prk.adaptive.scheduler import (
    COMMUNICATION,
    COMPUTATION,
    LONGEST,
    NOTHING,
    ON,
    RECEIVING,
    SHARE,
    choose,
    note,
    removed,
    time_in_modes,
    work,
)
from prk.adaptive.serial import Kernel, timeline
from prk.problem import Refusal
from prk.run import registry
from prk.runtime import Sent
from prk.team import Solo
from tests.launch import run

WINDOW, ALPHA, BETA = 16, 1.0, 1.05
SMALL: dict[str, Any] = {"scale": 6, "tile": 8, "edge_factor": 4, "threshold": 3}


def whole(matrix):
    rows = np.stack([matrix.row_of_tiles(row) for row in range(matrix.side)])
    return rows.transpose(0, 2, 1, 3).reshape(matrix.order, matrix.order)


MATRICES = [Matrix(7, 16, 16, 0.2, 1), Matrix(6, 3, 64, 0.0, 2), Matrix(5, 2, 4, 1.0, 3)]


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_product_is_scipy_s(matrix):
    vector = start(matrix.order) * 3 + 1
    np.testing.assert_array_equal(matrix.product(vector), sparse.csr_array(whole(matrix)) @ vector)
    kernel = Kernel(
        Adaptive(
            scale=matrix.scale,
            edge_factor=matrix.factor,
            tile=matrix.tile,
            seed=matrix.seed,
            dense_share=matrix.share,
            threshold=8,
            mode="sparse",
        ),
        Solo(),
        {},
    )
    for _ in range(2):
        kernel.step()
    summed = 2 * start(matrix.order) + 3
    np.testing.assert_array_equal(kernel.result, sparse.csr_array(whole(matrix)) @ summed)


def test_the_matrix_is_the_study_s():
    """Of its graph the study has 25,564 non-zeros, in the median 101 a tile."""
    matrix = made(11, 16, 128, 0.0, 1)
    assert matrix.entries[0].size == pytest.approx(25564, rel=0.01)
    assert np.median(matrix.nonzeros()) == pytest.approx(101, abs=6)
    keys = edges(11, 16, 1)
    assert (np.diff(keys) > 0).all()
    dense = Matrix(11, 16, 128, 0.3, 1)
    assert dense.dense.size == round(0.3 * 256)
    assert (whole(dense) != 0).sum() == dense.nonzeros().sum()


@given(st.integers(0, 12), st.floats(0, 1))
def test_every_tile_is_sent_once_in_stretches(phases, share):
    matrix = Matrix(5, 2, 8, share, 1)
    order = matrix.order_of_tasks(phases)
    np.testing.assert_array_equal(np.sort(order), np.arange(16))
    changes = np.count_nonzero(np.diff(np.isin(order, matrix.dense)))
    assert not phases or changes <= 2 * phases - 1


@given(st.lists(st.integers(0, 48), max_size=40), st.integers(0, 30), st.booleans())
def test_a_tile_is_compressed_below_the_threshold_only(places, threshold, early):
    tile, pairs = np.zeros(49), np.empty(2 * threshold)
    tile[places] = 1.0 + np.array(places, float)
    found, nonzeros = loops.compress(tile, pairs, threshold, early), np.flatnonzero(tile)
    if nonzeros.size >= threshold:
        assert found == -1
    else:
        assert found == nonzeros.size
        np.testing.assert_array_equal(pairs[: 2 * found].reshape(-1, 2), np.c_[nonzeros, tile[nonzeros]])
    vector, result, again = 1.0 + np.arange(7), np.zeros(7), np.zeros(7)
    loops.multiply(tile, vector, result)
    np.testing.assert_array_equal(result, tile.reshape(7, 7) @ vector)
    if found >= 0:
        loops.multiply_compressed(pairs[: 2 * found], vector, again)
        np.testing.assert_array_equal(again, result)


def test_what_an_optimisation_makes_is_what_it_was():
    tile, rooms = np.zeros(64), np.zeros((2, 512), np.uint8)
    tile[[3, 40]] = 7.0, 2.0**24

    def apply(code, parcel, width):
        size, width = loops.apply(code, parcel, width, rooms[code], 9, True)
        return rooms[code, :size], width

    pairs, width = apply(COMPRESSION, tile.view(np.uint8), 8)
    assert width == 8
    np.testing.assert_array_equal(pairs.view(float), [3, 7, 40, 2.0**24])
    both, width = apply(FLOAT32, pairs, width)
    assert (both.nbytes, width) == (16, 4)
    np.testing.assert_array_equal(both.view("f4"), [3, 7, 40, 2.0**24])
    full = np.ones(64)
    assert loops.apply(COMPRESSION, full.view(np.uint8), 8, rooms[0], 9, True) == (512, 8)
    vector, result = 1.0 + np.arange(16), np.zeros(16)
    for parcel in (tile.view(np.uint8), pairs):
        loops.add(1, parcel, 8, vector, result, 8)
    loops.add(1, both, 4, vector, result, 8)
    np.testing.assert_array_equal(result[:8], 3 * tile.reshape(8, 8) @ vector[8:])
    assert not result[8:].any()


def test_optimisations_are_applied_in_one_order():
    assert Adaptive(optimisations="float32, compression").names == tuple(BY_NAME)


class Costs:
    """What tasks take: transfers, multiplications, and a search that may be in vain."""

    def __init__(self, transfer=1.0, multiply=0.1, search=0.2):
        self.transfer, self.multiply, self.search = transfer, multiply, search

    def of(self, dense, tried):
        """Return the type of a task; what tried it removed nine tenths of what a sparse tile has."""
        left = 0.1 if tried and not dense else 1.0
        found = np.zeros(rules.qualities(1))
        found[[COMMUNICATION, RECEIVING, COMPUTATION]] = self.transfer, self.transfer, self.multiply
        found *= left
        found[[work(0), removed(0)]] = self.search if tried else 0.0, 1 - left
        return found

    def seconds(self, dense, tried):
        found = self.of(dense, tried)
        return found[[COMMUNICATION, COMPUTATION, work(0)]].sum()


def simulated(costs, tasks, probe="sampled", alpha=ALPHA, beta=BETA, late=0):
    """Return each task's seconds, which were tried, and the number of switches; one process does all.

    late: how many tasks are chosen before one is known to be over.
    """
    scheduler = rules.scheduler([(alpha, beta)], PROBES.index(probe), WINDOW, 0)
    types = {(dense, tried): costs.of(dense, tried) for dense in (False, True) for tried in (0, 1)}
    seconds, tried, switches, under_way = [], [], 0, []
    for number, dense in enumerate(tasks):
        chosen = choose(scheduler, number)
        tried.append(bool(chosen))
        seconds.append(costs.seconds(dense, bool(chosen)))
        under_way.append((types[dense, chosen], chosen))
        if len(under_way) > late:
            switches += note(scheduler, *under_way.pop(0)) != NOTHING
    return np.array(seconds), np.array(tried), switches


PAYS = st.builds(Costs, st.just(1.0), st.floats(0.01, 0.9), st.floats(0.01, 0.5))
SETTLED, STEADY = 1024, 2048


@settings(deadline=None, max_examples=30)
@given(PAYS, st.sampled_from(PROBES), st.integers(0, 5))
def test_what_pays_is_turned_on_once_and_stays(costs, probe, late):
    seconds, tried, switches = simulated(costs, [False] * 40 * WINDOW, probe, late=late)
    assert switches == 1
    assert not tried[:WINDOW].any()
    assert tried[WINDOW + late : 2 * WINDOW].all()
    # But for single tasks that it is compared with.
    on = tried[WINDOW + late :]
    assert (~on).sum() <= 39
    best = costs.seconds(False, True) * on.size
    assert seconds[WINDOW + late :].sum() <= (1 + 1.1 * SHARE) * best + costs.seconds(False, False)


@settings(deadline=None, max_examples=30)
@given(st.floats(1.0, 50.0), st.sampled_from(PROBES))
def test_nothing_is_tried_where_computation_takes_longer(multiply, probe):
    _, tried, switches = simulated(Costs(1.0, multiply), [False] * 200, probe)
    assert not switches
    assert not tried.any()


VAIN = st.builds(Costs, st.just(1.0), st.floats(0.01, 0.4), st.floats(0.1, 1.0))


@settings(deadline=None, max_examples=25)
@given(VAIN, st.sampled_from(PROBES))
def test_how_often_it_is_tried_in_vain(costs, probe):
    windows = 200
    seconds, tried, switches = simulated(costs, [True] * windows * WINDOW, probe)
    if probe == "every":
        assert switches >= windows - 2
    elif probe == "backoff":
        assert 2 * np.log2(LONGEST) < switches <= 2 * (np.log2(LONGEST) + 2 + windows / LONGEST)
    else:
        assert switches == 2
        late = tried[3 * WINDOW :]
        assert late.any() == (probe == "sampled")
        assert late.sum() * costs.search <= SHARE * seconds.sum() + costs.search


def regret(costs, tasks, **how):
    """Return how much longer the steady part takes than by an oracle, which tries sparse tasks only."""
    seconds, _, _ = simulated(costs, tasks, **how)
    best = [min(costs.seconds(dense, False), costs.seconds(dense, not dense)) for dense in tasks]
    return seconds[SETTLED:].sum() / sum(best[SETTLED:]) - 1


@settings(deadline=None, max_examples=20)
@given(st.one_of(PAYS, VAIN), st.booleans())
def test_at_most_5_percent_are_lost_in_steady_phases(costs, dense):
    assert regret(costs, [dense] * (SETTLED + STEADY)) <= 0.05


def test_who_probes_for_ever_or_never_turns_off_loses_more():
    costs = Costs(1.0, 0.1, 0.2)
    tasks = [True] * (SETTLED + STEADY)
    assert regret(costs, tasks) <= 0.05 < regret(costs, tasks, probe="every")
    assert regret(costs, tasks, beta=2.0) > 0.05


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 0.5), st.floats(0.05, 1.0), st.integers(1, 7), st.integers(1, 7))
def test_stretches_of_any_length_cost_no_more_than_doing_the_same_always(multiply, search, sparse, dense):
    """But for a twentieth, and for what noticing takes: two windows, and tasks until a sample can be paid."""
    costs = Costs(1.0, multiply, search)
    tasks = ([False] * sparse * 32 + [True] * dense * 32) * 8
    seconds = simulated(costs, tasks)[0].sum()
    always = min(sum(costs.seconds(kind, tried) for kind in tasks) for tried in (False, True))
    notice = 2 * WINDOW * search + search / SHARE
    assert seconds <= 1.05 * always + 9 * notice


@pytest.mark.parametrize("probe", ["every", "backoff", "sampled"])
def test_a_sparse_phase_after_a_dense_one_is_noticed(probe):
    costs, dense = Costs(), 20 * WINDOW
    _, tried, _ = simulated(costs, [True] * dense + [False] * 40 * WINDOW, probe)
    assert tried[-WINDOW:].sum() >= WINDOW - 1
    assert not simulated(costs, [True] * dense + [False] * 40 * WINDOW, "never")[1][-WINDOW:].any()


def test_what_others_are_compared_with_does_not_get_old():
    """The first tasks have been slow: what seemed to pay then is turned off, and stays so."""
    scheduler = rules.scheduler([(ALPHA, BETA)], rules.SAMPLED, WINDOW, 0)
    costs, slow = Costs(1.0, 0.1, 0.3), Costs(3.0, 0.1, 0.3)
    for number in range(100 * WINDOW):
        had = choose(scheduler, number)
        note(scheduler, (costs if number >= WINDOW else slow).of(True, had), had)
    assert not scheduler.counts[ON]


@settings(deadline=None)
@given(st.lists(st.tuples(*4 * [st.integers(0, 1000)]), min_size=1, max_size=40))
def test_of_the_seconds_in_a_window_the_longest_count_as_the_next_longest(tasks):
    """One in eight, quality by quality; what was removed, the last one, is no time, and counts as it is."""
    types = np.array(tasks, float).T
    types = np.vstack((types[:3], types[3], types[:1]))
    ranked = np.sort(types)[:, ::-1]
    most = ranked[:, len(tasks) // 8]
    wanted = np.minimum(types, most[:, None]).sum(axis=1)
    wanted[removed(0)] = types[removed(0)].sum()
    np.testing.assert_allclose(rules.mode_of(types), wanted)


HELD_UP = st.lists(
    st.tuples(st.integers(0, WINDOW - 1), st.sampled_from([COMMUNICATION, RECEIVING, COMPUTATION, work(0)])),
    max_size=WINDOW // rules.HELD_UP,
)


def disturbed(costs, dense, windows, seconds):
    """Return switches and tasks tried where these places of windows, in turn, take so many seconds more."""
    scheduler = rules.scheduler([(ALPHA, BETA)], rules.SAMPLED, WINDOW, 0)
    switches = tried = 0
    for number in range(len(windows) * 10 * WINDOW):
        chosen = choose(scheduler, number)
        found, place = costs.of(dense, bool(chosen)), scheduler.counts[rules.FILLED]
        for where, quality in windows[number // WINDOW % len(windows)]:
            # Of what is off, nothing takes seconds.
            if where == place and (chosen or quality != work(0)):
                found[quality] += seconds
        switches += note(scheduler, found, chosen) != NOTHING
        tried += bool(chosen)
    return switches, tried


@settings(deadline=None, max_examples=40)
@given(st.one_of(PAYS, VAIN), st.booleans(), st.lists(HELD_UP, min_size=1, max_size=5), st.floats(0, 1e4))
def test_tasks_that_are_held_up_switch_nothing(costs, dense, windows, seconds):
    """What pays is on from the second window, what does not was tried once; whatever one in eight takes."""
    switches, _ = disturbed(costs, dense, windows, seconds)
    assert switches == (2 if costs.seconds(dense, True) > BETA * costs.seconds(dense, False) else 1)


def test_a_sample_that_is_held_up_does_not_put_off_the_others():
    costs, tried = Costs(), []
    for seconds in (0.0, 1e3):
        tried.append(disturbed(costs, True, [[(place, work(0)) for place in range(WINDOW)]], seconds)[1])
    assert tried[1] > WINDOW + 1


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 0.4), st.floats(0.1, 0.3), st.integers(3, 20), st.integers(0, 5))
def test_a_change_of_phase_is_noticed_within_a_window(multiply, search, windows, late):
    """A dense phase by two windows, the first of them mixed; a sparse one soon after by its first tasks."""
    costs, stretch = Costs(1.0, multiply, search), windows * WINDOW + 5
    tasks = [False] * stretch + [True] * 2 * WINDOW + [False] * stretch
    _, tried, switches = simulated(costs, tasks, late=late)
    assert switches == 3
    again = tried[stretch + 2 * WINDOW :]
    assert again[late + 2 : WINDOW].all()


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0, 10), st.integers(0, 9), st.integers(1, 9))
def test_r_of_what_is_on_is_its_time_over_that_without(send, multiply, search, few, many):
    costs = Costs(send, multiply, search)
    tasks = [False] * few + [True] * many
    mode, usual = sum(costs.of(dense, True) for dense in tasks), costs.of(True, False)
    took, without = (sum(costs.seconds(dense, tried) for dense in tasks) for tried in (True, False))
    assert rules.relative(mode, len(tasks), usual, 0, 0) == pytest.approx(took / without)
    assert rules.ratio(usual) == pytest.approx(multiply / send)
    for on, r in enumerate((rules.ratio(mode), took / without)):
        for threshold, inside in ((0.99 * r, False), (1.01 * r, True)):
            assert rules.efficient(mode, len(tasks), usual, 0, on, threshold, threshold, 0) == inside


def test_what_removed_nothing_spared_nothing():
    """A dense tile was multiplied faster than others by chance: the search is lost nevertheless."""
    costs = Costs(1.0, 0.5, 0.1)
    tried = costs.of(True, True)
    tried[COMPUTATION] = 0.2
    assert rules.relative(tried, 1, costs.of(True, False), 0, 0) == pytest.approx(1.3 / 1.2)


def test_workers_compute_while_the_owner_transfers():
    costs = Costs(1.0, 0.5, 0.25)
    tried, usual = 4 * costs.of(True, True), costs.of(True, False)
    # The owner is at work all the time: searching is lost; one worker is, which waits meanwhile.
    assert rules.relative(tried, 4, usual, 0, 2) == pytest.approx(1.25)
    assert rules.relative(tried, 4, usual, 0, 1) == pytest.approx(1.0)
    assert rules.relative(tried, 4, usual, 0, 0) == pytest.approx(1.75 / 1.5)
    # While a message passes an emulated link, its worker has it already.
    tried[RECEIVING], usual[RECEIVING] = 0.4, 0.1
    assert rules.relative(tried, 4, usual, 0, 1) == pytest.approx(1.25)


def test_optimisations_are_switched_one_at_a_time():
    """There may be any number; of these three the second one removes nothing."""
    scheduler = rules.scheduler([(1, 1.05)] * 3, rules.NEVER, 1, 0)
    switched = []
    for number in range(6):
        chosen, found = choose(scheduler, number), np.zeros(rules.qualities(3))
        gone = {0: 0.5, 1: 0.0, 2: 0.4}
        for one in (one for one in gone if chosen >> one & 1):
            found[[work(one), removed(one)]] = 0.1, gone[one]
        found[[COMMUNICATION, COMPUTATION]] = 1.0 - found[removed(0) :: 2].sum(), 0.01
        switched.append((note(scheduler, found, chosen), int(scheduler.counts[ON])))
    assert switched == [(0, 0b1), (1, 0b11), (1, 0b1), (2, 0b101), (NOTHING, 0b101), (NOTHING, 0b101)]


@given(st.lists(st.tuples(st.floats(-5, 15), st.sampled_from([(), ("a",), ("a", "b")]))))
def test_times_in_modes_add_up(switches):
    spent = time_in_modes(sorted(switches), 0.0, 10.0)
    assert sum(spent.values()) == pytest.approx(10.0)
    assert all(seconds > 0 for seconds in spent.values())


def test_time_in_modes():
    switches = [(-1.0, ("a",)), (4.0, ()), (7.0, ("a", "b"))]
    assert time_in_modes(switches, 0.0, 10.0) == {("a",): 4.0, (): 3.0, ("a", "b"): 3.0}


def test_a_timeline_has_rows_at_equal_distances():
    rows = timeline([(-3, 1.0), (1, 0.0), (5, 0.5), (8, 1.0)], 4 * ROWS)
    assert [row["task"] for row in rows] == list(range(4, 4 * ROWS + 1, 4))
    assert [row["part on"] for row in rows[:4]] == [0.25, 0.375, 1.0, 1.0]
    assert {row["part on"] for row in timeline([], 10)} == {0.0}


def test_gains_are_of_the_adaptive_mode_alone():
    seconds = [{"dense": 3.0, "oracle": 1.0, "adaptive": 2.0}]
    assert gain(seconds, "adaptive", "dense") == 50
    assert gain(seconds, "oracle", "adaptive") == 100
    assert gain(seconds, "dense", "oracle") is None
    assert gain(seconds, "adaptive", "sparse") is None


def test_losses_are_to_the_better_of_both():
    seconds = [
        {"dense": 3.0, "sparse": 2.0, "adaptive": 2.1},
        {"dense": 1.0, "sparse": 2.0, "adaptive": 1.05},
    ]
    assert loss(seconds, "adaptive") == pytest.approx(5)
    assert loss(seconds, "dense") is None
    assert loss([{"dense": 3.0, "adaptive": 2.1}], "adaptive") is None


def test_an_oracle_makes_smaller_what_gets_smaller_by_it():
    problem = Adaptive(scale=6, tile=8, threshold=4, mode="oracle", optimisations="compression,float32")
    kernel = Kernel(problem, Solo(), {})
    few = (problem.matrix.nonzeros() < 4).astype(int)
    np.testing.assert_array_equal(kernel.perfect(), [0 * few, few, 0 * few + 2, few + 2])
    assert (kernel.vector == start(64)).all()
    assert not kernel.result.any()


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_goes_the_same_way_and_sends_what_it_says(mode):
    problem = Adaptive(**SMALL, mode=mode, optimisations="compression,float32", phases=2)
    kernel = Kernel(problem, Solo(), {})
    kernel.repeat(3)
    least, most = (problem.sent(optimised).sum() for optimised in (True, False))
    sent, decided = kernel.findings()["bytes"], mode == "adaptive"
    assert least <= sent <= most
    assert {"dense": most, "sparse": least}.get(mode, sent) == sent
    assert bool(kernel.state.scheduler.decides[0]) == bool(kernel.findings()["timeline"]) == decided
    assert decided or not kernel.switches


def test_what_is_sent():
    mpi1, dask = (registry.runtime(name) for name in ("mpi1", "dask"))
    dense, compressed = (Adaptive(**SMALL, mode=mode) for mode in ("dense", "sparse"))
    nonzeros = dense.matrix.nonzeros()
    few = nonzeros[nonzeros < 3]
    assert mpi1.messages("adaptive", dense, {}, 4, 0) == Sent(64 + 2, 64 * 8 * 64 + 16 * 64)
    assert mpi1.messages("adaptive", compressed, {}, 4, 0) == Sent(
        64 - (few == 0).sum() + 2, 16 * few.sum() + (64 - few.size) * 8 * 64 + 16 * 64
    )
    assert mpi1.messages("adaptive", dense, {}, 4, 1) == Sent(22 + 2, 22 * 8 + 16 * 64)
    assert dask.messages("adaptive", dense, {}, 4, 0) == Sent(64 + 3, 64 * 8 * 64 + 3 * 8 * 64)
    assert mpi1.messages("adaptive", Adaptive(**SMALL), {}, 4, 0) is None
    cost = compressed.cost(4)
    assert cost.flop == 2 * nonzeros.sum()
    assert cost.message_bytes == 16 * few.sum() + (64 - few.size) * 8 * 64


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"alpha": 2.0}, r"--alpha: 2 \(on below\) and --beta 1.05 .* wrong order; use 0 < alpha <= beta"),
        ({"alpha": 0.0}, "wrong order"),
        ({"window": 0}, "--window: 0 tasks are none; use at least 1"),
        ({"window": 10**12}, "--window: 1000000000000 tasks are too many; use at most 1048576"),
        ({"tile": 100}, "--tile: 100 does not divide 2048 rows; use a power of two up to 2048"),
        ({"tile": 0}, "--tile: 0 does not divide"),
        ({"scale": 13, "tile": 8192, "optimisations": "float32"}, "--tile: single .* use at most 4096"),
        ({"scale": 15, "tile": 1 << 15}, r"--tile: no message holds 32768\^2 numbers; use at most 16384"),
        ({"scale": 21}, "--scale: 21 is no scale"),
        ({"edge_factor": 0}, "--edge-factor: 0 is too small"),
        ({"dense_share": 1.5}, "--dense-share: 1.5 is no part"),
        ({"phases": -1}, "--phases: -1 of 256 tiles"),
        ({"threshold": 8193}, "--threshold: .* use 0 to 8192"),
        ({"optimisations": "compression,zip"}, "--optimisations: there is no 'zip'; use some of compression"),
        ({"optimisations": ""}, "--optimisations: '' is none"),
        ({"optimisations": "float32,float32"}, "is none, or one twice"),
        ({"link": -1.0}, "--link: -1 GB/s is negative"),
        ({"seed": -1}, "--seed: -1 is negative"),
        ({"iterations": 10**9}, "--iterations: sums reach"),
    ],
)
def test_refusals(given, says):
    with pytest.raises(Refusal, match=says):
        Adaptive(**given).refuse(2)


def test_a_refusal_is_one_line_and_ends_with_2():
    done = run(sys.executable, "-m", "prk.adaptive", "--runtime", "serial", "--window", 0)
    assert done.returncode == 2
    assert done.stderr.strip() == "prk.adaptive: --window: 0 tasks are none; use at least 1"


def test_groups_that_do_not_share_the_owner_s_memory_are_refused():
    how = registry.runtime("mpishm")
    with pytest.raises(Refusal, match=r"--group-size: 2 leaves some of 4 ranks .* use 4 on one node"):
        how.refuse("adaptive", Adaptive(**SMALL), {"group-size": 2}, 4)


def test_wrong_elements_are_counted():
    problem = Adaptive(**SMALL, mode="dense", iterations=1)
    kernel = Kernel(problem, Solo(), {})
    kernel.repeat(2)
    assert problem.partial(kernel.fields()) == {"matrix": 0, "vector": 0, "result": 0}
    for name, field in kernel.fields().items():
        before = field.values.flat[-1]
        for wrong in (before + 1, np.nan):
            field.values.flat[-1] = wrong
            assert problem.partial(kernel.fields())[name] == 1
        field.values.flat[-1] = before
    assert not all(
        c.valid
        for c in replace(problem, iterations=2).check(problem.partial(kernel.fields()) | {"vector": 1})
    )


@pytest.mark.parametrize(
    ("ranks", "options"),
    [(3, ["--runtime", "mpi1", "--optimisations", "compression,float32"]), (4, ["--runtime", "mpishm"])],
)
def test_a_run_records_what_it_decided(tmp_path, ranks, options):
    """All four modes are right, and of the adaptive one there is when what was on."""
    record = tmp_path / "record.json"
    words = ["--scale", 6, "--tile", 8, "--threshold", 9, "--link", 0.05, "--phases", 2, "--iterations", 3]
    done = run(
        "mpirun", "-n", ranks, sys.executable, "-m", "prk.adaptive", *words, "--json", record, *options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(record.read_text())
    assert [row["mode"] for row in found["table"]] == ["dense", "sparse", "oracle", "adaptive"]
    dense, compressed, _, adaptive = found["table"]
    assert dense["bytes"] == 64 * 512
    assert dense["bytes"] > adaptive["bytes"] >= compressed["bytes"]
    assert min(adaptive[name] is not None for name in ("dense", "sparse", "regret", "switches", "on"))
    assert found["summary"]["link"] == "0.05 GB/s, emulated by pacing at the sender"
    # A tile of 512 bytes takes 10 us there.
    assert dense["time"] >= 64 * 512 / 0.05e9 * 1e3
    switched = [event for event in found["events"] if event["name"] in ("compression", "float32")]
    assert switched
    assert switched[0]["value"] == "on"
    assert len(found["summary"]["timeline"]) == ROWS
