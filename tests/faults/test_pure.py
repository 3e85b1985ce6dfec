"""What runs with faults decide alike on all members: who dies, who goes on, who sends what to whom."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk import pieces
from prk.decomposition import block, tile
from prk.harness.analyse import daly
from prk.job import Job
from prk.problem import Refusal
from prk.run import registry
from prk.run.faults import draws, drive, options, roles
from prk.run.faults.account import Account, Failure, Lap, Times
from prk.run.faults.options import OPTIONS, Kill
from prk.run.faults.victims import Process
from prk.stencil.problem import Stencil
from prk.team import Solo

USUAL = {o.name: o.default for o in OPTIONS} | {"faults": "on", "recovery": "shrink"}
MPI1 = registry.runtime("mpi1")
STENCIL = Stencil(n=60)


def read(size=4, problem=STENCIL, **changed):
    return options.read(problem, USUAL | {k.replace("_", "-"): v for k, v in changed.items()}, size)


def test_numbers_are_the_specifications():
    numbers = draws.Numbers()
    first = []
    for _ in range(3):
        numbers.next(2)
        first.append(numbers.state)
    assert first == [10805118280535844088, 1455352502339504359, 9072698565381499626]
    assert draws.Numbers(1000).state == 6424528205787125269
    numbers = draws.Numbers()
    assert [numbers.draw(10) for _ in range(10)] == [11, 8, 11, 11, 11, 12, 12, 11, 9, 11]


@given(
    period=st.integers(1, 40),
    together=st.integers(1, 3),
    seed=st.integers(0, 99),
    iterations=st.integers(1, 200),
    size=st.integers(2, 9),
    spares=st.integers(0, 4),
)
def test_drawn_failures_can_happen(period, together, seed, iterations, size, spares):
    spares = min(spares, size - 1)
    drawn = list(draws.failures(period, together, seed, iterations, size, spares))
    assert drawn == list(draws.failures(period, together, seed, iterations, size, spares))
    when = [repetition for repetition, _ in drawn]
    assert when == sorted({*when})
    assert all(1 <= r <= iterations for r in when)
    dead = [rank for _, ranks in drawn for rank in ranks]
    assert len({*dead}) == len(dead) < size
    assert all(0 <= rank < size for rank in dead)
    assert all(len(ranks) == together for _, ranks in drawn)


@given(st.integers(1, 8), st.integers(0, 4), st.data())
def test_roles(computing, spares, data):
    living = sorted(data.draw(st.sets(st.integers(0, computing + spares - 1), min_size=1)))
    slots = tuple(range(computing))
    filled = roles.filled(slots, living)
    assert (filled is None) == (len(living) < computing)
    if filled:
        assert {*filled} <= {*living}
        assert len({*filled}) == computing
        assert all(f == s for f, s in zip(filled, slots, strict=True) if s in living)
    even = roles.shrunk(slots, living, lambda size: size % 2 == 0 or size == 1)
    assert even is not None
    assert len(even) == (len(living) if len(living) == 1 else len(living) // 2 * 2)
    assert {*even} <= {*living}
    assert roles.shrunk(slots, living, lambda size: False) is None


def boxes(size):
    found = []
    for rank in range(size):
        one = tile(13, 11, size, rank)
        found.append([("x", (one.rows, one.cols)), ("y", (block(17, size, rank),))])
    return found


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_transfers_bring_every_element_once(before, after, data):
    """Copies of a team of one size, some held twice, give the fields of a team of another one."""
    offers = boxes(before)
    twice = data.draw(st.integers(0, before - 1))
    offers[twice] = [*offers[twice], *offers[(twice + 1) % before]]
    whole = {"x": np.arange(143.0).reshape(13, 11), "y": np.arange(17.0)}
    size = max(before, after)
    offered = [offers[r] if r < before else [] for r in range(size)]
    wanted = [boxes(after)[r] if r < after else [] for r in range(size)]
    got = {r: {name: np.full(whole[name].shape, np.nan) for name in whole} for r in range(size)}
    for move in pieces.transfers(offered, wanted):
        assert move.place in offered[move.source]
        if move.place in offered[move.to]:
            assert move.source == move.to
        where = tuple(slice(a, b) for a, b in move.bounds)
        assert np.isnan(got[move.to][move.place[0]][where]).all()
        got[move.to][move.place[0]][where] = whole[move.place[0]][where]
    for rank, places in enumerate(wanted):
        for name, bounds in places:
            where = tuple(slice(a, b) for a, b in bounds)
            assert np.array_equal(got[rank][name][where], whole[name][where])


def test_what_nobody_has_is_gone():
    offers = boxes(4)
    offers[2] = []
    with pytest.raises(pieces.Gone, match="elements of x"):
        pieces.transfers(offers, boxes(4))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("stencil", {"n": 31, "radius": 3}),
        ("stencil", {"n": 31, "radius": 2, "pattern": "compact", "dtype": "float32"}),
        ("synch_p2p", {"m": 13, "n": 9}),
        ("transpose", {"order": 24, "tile": 5}),
        ("amr", {"n": 30, "refinement": 10, "level": 1, "radius": 2, "duration": 2}),
    ],
)
def test_known_state_is_what_repetitions_give(name, parameters):
    import importlib

    known = importlib.import_module(f"prk.{name}.faults").known
    problem = registry.problem_class(name)(iterations=5, **parameters)
    kernel = registry.kernel_class("serial", name)(problem, Solo(), {})
    # More than AMR's refinements take until each of them has lived again.
    for count in range(1, 12):
        kernel.repeat(1)
        for field, box in kernel.fields().items():
            part = tuple(slice(w.start + 2, w.stop - 3) for w in box.where)
            for where in (box.where, part):
                found = known(problem, field, where, count)
                assert found.dtype == box.values.dtype
                inside = tuple(slice(w.start, w.stop) for w in where)
                assert np.allclose(found, box.values[inside], rtol=1e-5, atol=1e-4)


def test_repetitions_that_differ_count_alike():
    """Each second one of AMR's takes longer; a process that came later knows of some only."""
    problem = registry.problem_class("amr")(iterations=5)
    laps = [Lap(0, r, 3.0 if r % 2 == 0 else 1.0) for r in range(1, 6)]
    known = [Times(started=0.0, ended=11.0, laps=own) for own in (laps, laps[-1:])]
    found = Account.of(read(), problem, [Process(0, "node", 1, "")], {}, known, 1)
    assert (found.repetition, found.useful) == (2.0, 10 / 11)


def test_time_between_failures_is_that_of_those_who_compute():
    """One of four kills from outside hits the rank that waits; drawn failures hit others only."""
    processes = [Process(r, "node", 1, "") for r in range(4)]
    known = [Times(started=0.0, ended=5.0, laps=[Lap(0, r, 0.5) for r in range(1, 11)])]
    for drawn, seconds in (({"mtbf": 6.0}, 8.0), ({"kill_period": 6}, 3.0), ({}, None)):
        plan = read(recovery="spares", spares=1, **drawn)
        assert Account.of(plan, STENCIL, processes, {}, known, 3).mtbf == seconds


@pytest.mark.parametrize(
    ("changed", "option"),
    [
        ({"kill": "2"}, "--kill"),
        ({"kill": "2@5:sleeping"}, "--kill"),
        ({"kill": "4@5"}, "--kill"),
        ({"kill": "1@0"}, "--kill"),
        ({"kill": "1@11"}, "--kill"),
        ({"kill": "1@3,1@5"}, "--kill"),
        ({"kill": "0@1,1@1,2@1,3@1"}, "--kill"),
        ({"spares": 1}, "--recovery"),
        ({"recovery": "spares"}, "--recovery"),
        ({"recovery": "spares", "spares": 4}, "--spares"),
        ({"state": "buddy"}, "--checkpoint"),
        ({"checkpoint": 3}, "--checkpoint"),
        ({"mtbf": -1.0}, "--mtbf"),
        ({"kill_period": -1}, "--kill-period"),
        ({"mtbf": 1.0, "signal": "stop"}, "--signal"),
    ],
)
def test_refused(changed, option):
    with pytest.raises(Refusal, match=f"^{option}: "):
        read(**changed)


NODES = {1: [{"host": "a"}] * 4, 2: [{"host": "a"}, {"host": "b"}] * 2}


@pytest.mark.parametrize(
    ("job", "nodes", "option"),
    [
        ({"repeat": 2}, 1, "--repeat"),
        ({"split": 3}, 1, "--split"),
        ({"problem": Stencil(n=60, audit=7)}, 1, "--audit"),
        ({"folder": "/nowhere"}, 1, "--checkpoint-folder"),
        # Each node would have its own temporary folder.
        ({"options": USUAL | {"state": "disk", "checkpoint": 2}}, 2, "--state"),
    ],
)
def test_jobs_refused(job, nodes, option):
    whole = Job(**{"kernel": "stencil", "runtime": "mpi1", "problem": STENCIL, "options": USUAL} | job)
    with pytest.raises(Refusal, match=f"^{option}: "):
        drive.refuse(whole, NODES[nodes], 4)
    drive.refuse(Job("stencil", "mpi1", STENCIL, USUAL), NODES[nodes], 4)


def test_dask_refuses_what_no_member_has():
    dask = registry.runtime("dask")
    for kernel, changed, option in (
        ("amr", {"variant": "tasks"}, "--variant"),
        ("transpose", {"variant": "array"}, "--variant"),
        ("stencil", {"signal": "stop"}, "--signal"),
    ):
        job = Job(kernel, "dask", registry.problem_class(kernel)(), USUAL | changed)
        assert dask.probe(job, None).startswith(f"{option}: ")


def test_kills_are_read():
    plan = read(kill="2@5,3@7:checkpoint")
    assert plan.kills == (Kill(2, 5), Kill(3, 7, "checkpoint"))
    assert [str(kill) for kill in plan.kills] == ["2@5", "3@7:checkpoint"]
    assert len(read(kill_period=3, size=6).kills) > 1


def test_only_a_run_with_faults_has_the_options():
    usual = {o.name: o.default for o in options.of(MPI1, "stencil")}
    assert options.settled(usual) == {}
    with pytest.raises(Refusal, match="--kill: it is of a run with faults; use it with --faults"):
        options.settled(usual | {"kill": "1@2"})
    assert options.settled(usual | {"faults": "on"}) == usual | {"faults": "on"}
    assert options.of(MPI1, "dgemm") == MPI1.cell("dgemm").options


def test_every_other_runtime_says_why_not():
    for name in registry.runtimes():
        said = options.why_not(registry.runtime(name), "stencil")
        assert bool(said) == (not registry.runtime(name).recoveries)
        assert "\n" not in said
        assert len(said) < 200


def test_account_of_a_failure():
    plan = read(kill="1@5", state="buddy", checkpoint=2)
    processes = [Process(r, "node", 1, "") for r in range(4)]

    def known(caught):
        laps = [Lap(0, r, 1.0) for r in range(1, 6)] + [Lap(1, r, 1.0) for r in range(3, 11)]
        failure = Failure([1], caught, 6.5, 6, 4, repaired=7.0, restored=8.0, resumed=3)
        return Times(started=0.0, ended=16.0, laps=laps, checkpoints=[0.5, 0.25], failures=[failure])

    found = Account.of(plan, STENCIL, processes, {1: 5.5}, [known(6.0), known(6.25), known(None)], 3)
    assert found.table() == {
        "members": 4, "left": 3, "died": 1, "checkpoints": 2, "checkpoint_seconds": 0.375,
        "repetition_seconds": 1.0, "seconds": 16.0, "useful": 10 / 16, "mtbf": None,
        "failures": [{
            "ranks": [1], "repetition": 6, "resumed": 3, "members": 4, "detection": 0.5, "agreement": 0.5,
            "repair": 0.5, "restore": 1.0, "repeated": 3.0,
        }],
    }  # fmt: skip
    assert found.headline() == "Ranks that died = 1 of 4 (1)"


@given(st.floats(1e-3, 1e3), st.floats(1e-6, 1e-2), st.floats(0, 0.1))
def test_youngs_and_dalys_intervals_are_the_best(mtbf, part, recovery):
    checkpoint = part * mtbf
    best = daly.young(checkpoint, mtbf)
    for away in (0.7, 1.4):
        low, high = (daly.of_work(t, checkpoint, recovery, mtbf) for t in (best, best * away))
        assert low < high
    best = daly.daly(checkpoint, mtbf)
    low = daly.of_time(best, checkpoint, recovery * mtbf, mtbf)
    for away in (0.5, 2):
        assert low < daly.of_time(best * away, checkpoint, recovery * mtbf, mtbf)
    assert math.isclose(daly.of_work(2.0, 0.5, 0.0), 0.25)


def test_launcher_is_told_to_survive():
    assert MPI1.launcher_words(USUAL) == ("--with-ft", "ulfm")
    assert MPI1.launcher_words({}) == ()
