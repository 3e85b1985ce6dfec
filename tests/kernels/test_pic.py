"""PIC: golden values, what is refused, who gives whom what, and random runs with borders that move."""

import pickle
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prk import coverage
from prk.check import Keyed, combined
from prk.kernel import Period
from prk.pic import audit, events, placement, population, schedule
from prk.pic.problem import MODES, Pic
from prk.pic.schedule import Cuts
from prk.pic.serial import Kernel
from prk.pic.tile import Tile
from prk.problem import Refusal
from prk.records.balance import Balance, rows
from prk.run import registry
from prk.runtime import sent_in
from prk.runtimes import _pic
from prk.runtimes._pic import portions
from prk.runtimes._pic.outbox import Outbox
from prk.runtimes._tagged import pic as tagged
from prk.team import Solo
from tests import cells
from tests.launch import ROOT, kernel, own_lines
from tests.wrong_ports import Place

SMALL = Pic(iterations=5, n=20, particles=1000, k=1, m=2)
EVENTS = str(ROOT / "tests/kernels/pic-events")
PATCH: dict[str, Any] = {"mode": "PATCH", "left": 0, "right": 9, "bottom": 5, "top": 12}


def numbers(count):
    state, found = np.uint64(placement.FIRST), []
    for _ in range(count):
        state = np.uint64(placement.after(state))
        found.append(int(state))
    return found


def test_golden_values_of_the_sequence():
    assert numbers(3) == [10805118280535844088, 1455352502339504359, 9072698565381499626]
    assert placement.jump(np.uint64(placement.FIRST), 1000) == 6424528205787125269 == numbers(1000)[-1]
    state, drawn = np.uint64(placement.FIRST), []
    for _ in range(10):
        count, state = placement.draw(state, 10.0)
        drawn.append(count)
        state = np.uint64(state)
    assert drawn == [11, 8, 11, 11, 11, 12, 12, 11, 9, 11]


@pytest.mark.parametrize(
    ("mode", "count"),
    [({"rho": 0.9}, 998), ({"mode": "SINUSOIDAL"}, 987), ({"mode": "LINEAR"}, 1003), (PATCH, 998)],
)
def test_golden_counts_on_any_number_of_members(mode, count):
    problem = replace(SMALL, **mode)
    assert problem.population.total == count
    for size in (1, 2, 3, 4, 6, 9):
        cuts = schedule.even(problem.n, size)
        ids = np.concatenate([placed(problem, cuts.box(rank))[:, placement.ID] for rank in range(size)])
        assert sorted(ids.tolist()) == list(range(count))


def placed(problem, box):
    where = (*box[0], *box[1], problem.charge, float(problem.m))
    source = problem.population.initial
    found = np.empty((placement.place(source, *where, np.empty((0, placement.ROWS))), placement.ROWS))
    placement.place(source, *where, found)
    return found


def test_a_particle_s_number_tells_where_it_started():
    problem = replace(SMALL, n=14, particles=300, rho=0.8)
    rows = placed(problem, ((0, 14), (0, 14)))
    some = np.random.default_rng(3).permutation(len(rows))[:200]
    lives = problem.population.lives(rows[some, placement.ID].astype(np.int64))
    assert (lives.x + 0.5 == rows[some, placement.X]).all()
    assert (lives.y + 0.5 == rows[some, placement.Y]).all()


@pytest.mark.parametrize(
    ("given", "size", "said"),
    [
        ({"n": 21}, 1, "--n: 21 columns are no even number; use 22"),
        ({"n": 0}, 1, "--n: 0 columns are no even number; use 2"),
        ({"particles": 0}, 1, "--particles: 0 is too few; use at least 1"),
        ({"k": -1}, 1, "--k: -1 is negative; use at least 0"),
        ({"k": 5}, 4, "--n: 20 cells leave some of 2 tiles 10, and --k steps 11; use at least 22"),
        ({"m": -7}, 3, "--n: 20 cells leave some of 3 tiles 6, and --m steps 7; use at least 22"),
        ({"k": 10}, 1, "--n: .* use at least 22"),
        ({"rho": 0.0}, 1, "--rho: 0.0 is too small"),
        ({"rho": 1e300}, 1, "--rho: .* nearer to 1"),
        ({"mode": "SINUSOIDAL", "rho": 0.5}, 1, "--rho: it belongs to --mode GEOMETRIC"),
        ({"mode": "LINEAR", "beta": 0.5}, 1, "--beta: 0.5 leaves columns a negative weight"),
        (PATCH | {"right": 20}, 1, "--left and --right: 0 to 20 are no cells; use 0 to 19"),
        (PATCH | {"bottom": 13}, 1, "--bottom and --top: 13 to 12 are no cells"),
        ({"events": "/nowhere"}, 1, "--events: /nowhere cannot be read"),
        ({"iterations": 0}, 1, "--iterations"),
    ],
)
def test_what_cannot_be_is_refused(given, size, said):
    with pytest.raises(Refusal, match=said):
        replace(SMALL, **given).refuse(size)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1 2 3 4 5 move", "line 2: '1 2 3 4 5 move' is no event; write STEP LEFT"),
        ("1 2 3 4 add 5", "is no event"),
        ("1 2 3 4 5 add", "is no event"),
        ("1 2 3 4 5 remove 7", "is no event"),
        ("1 2 3 4 x remove", "is no event"),
        ("6 0 1 0 1 remove", "line 2: there is no repetition 6; use 0 to 5"),
        ("1 2 1 0 1 remove", "line 2: 2 to 1 are no cells; use 0 to 19"),
        ("1 0 1 0 20 remove", "0 to 20 are no cells"),
        ("1 0 1 0 1 add 0", "line 2: 0 particles are too few; add at least 1"),
    ],
)
def test_a_wrong_row_of_events_is_named(tmp_path, row, said):
    path = tmp_path / "events"
    path.write_text(f"0 0 1 0 1 add 5  # right\n{row}\n")
    with pytest.raises(Refusal, match=rf"--events: {path}, line 2: .*") as refused:
        events.read(str(path), 20, 5)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"balance": "tiles", "period": 6}, "--period: 6 repetitions are more than the run has"),
        ({"balance": "tiles", "period": 0}, "--period: 0 is too short"),
        ({"balance": "none", "axes": "x"}, "--axes: no border moves"),
    ],
)
def test_a_balance_that_never_is_is_refused(options, said):
    usual = {"balance": "none", "period": 3, "axes": "both"}
    with pytest.raises(Refusal, match=said):
        registry.runtime("mpi1").refuse("pic", SMALL, usual | options, 4)


@pytest.mark.parametrize(
    ("name", "option", "value", "said"),
    [
        ("charm4py", "balancer", "Rotate", "--balancer: Charm balances nothing; .* use --balance runtime"),
        ("dask", "blocks", 3, "--blocks: a worker has one tile; .* use --balance runtime"),
    ],
)
def test_what_would_say_how_parts_move_is_refused_where_none_does(name, option, value, said):
    how = registry.runtime(name)
    usual = {o.name: o.default for o in how.cell("pic").options} | {"balance": "tiles"}
    with pytest.raises(Refusal, match=said):
        how.refuse("pic", SMALL, usual | {option: value}, 4)
    how.refuse("pic", SMALL, usual | {option: value, "balance": "runtime"}, 4)


def test_events_are_shipped_by_name():
    appear, vanish = Pic(events="burst", iterations=300).happening()
    assert appear.add
    assert not vanish.add
    with pytest.raises(Refusal, match=r"--events: bursts cannot be read .*; name a file, or .*burst"):
        events.read("bursts", 1000, 300)


def test_the_smallest_that_is_balanced_has_the_repetitions_for_it():
    options = {"balance": "tiles", "period": 3, "axes": "both"}
    how = registry.runtime("mpi1")
    small = Pic(iterations=4).smallest(4, lambda one: how.refuse("pic", one, options, 4))
    assert (small.iterations, small.n) == (4, 8)
    assert Pic(iterations=4).smallest(4, lambda one: None).iterations == 1


def test_a_balance_that_a_runtime_lacks_is_refused():
    done = kernel("pic", "--balance", "runtime", on="mpi1")
    assert done.returncode == 2
    assert "--balance: invalid choice: 'runtime' (choose from" in own_lines(done)[0]


def test_words_of_a_mode_follow_it():
    def named(*words):
        from prk import cli

        return cli.parse("pic", [*words, "--runtime", "serial"])[0].problem

    first = ("5", "20", "1000", "1", "2")
    assert named(*first, "PATCH", "0", "9", "5", "12") == replace(SMALL, **PATCH)
    assert named(*first, "LINEAR", "1", "4") == replace(SMALL, mode="LINEAR", beta=4.0)
    with pytest.raises(Refusal, match="'7': it belongs to no option"):
        named(*first, "SINUSOIDAL", "7")


# Who owns what.

LOADS = st.lists(st.integers(0, 9), min_size=12, max_size=60)


@st.composite
def borders(draw, n, parts, least):
    """Draw borders whose parts have at least so many cells."""
    spare = sorted(draw(st.integers(0, n - parts * least)) for _ in range(parts - 1))
    return (0, *(least * i + more for i, more in enumerate(spare, 1)), n)


@settings(deadline=None)
@given(st.data(), LOADS, st.integers(1, 4), st.integers(1, 3), st.sampled_from(["balanced", "diffused"]))
def test_no_part_becomes_narrower_than_a_step(data, load, parts, least, how):
    cuts = data.draw(borders(len(load), parts, least))
    found, held = getattr(schedule, how)(np.array(load), cuts, least)
    assert (found[0], found[-1], len(found)) == (0, len(load), parts + 1)
    assert min(np.diff(found)) >= least
    assert 0 <= held < parts
    if how == "diffused":
        # Each border stays between the middles of its two neighbours.
        for a, b, c, d in zip(cuts, found[1:], cuts[1:], cuts[2:], strict=False):
            assert (a + c) // 2 <= b <= (c + d + 1) // 2


@settings(deadline=None)
@given(LOADS, st.integers(1, 4))
def test_parts_get_equal_loads_but_for_a_cell(load, parts):
    load = np.array(load)
    cuts, _ = schedule.balanced(load, schedule.even(load.size, 1).x[:1] * parts + (load.size,), 0)
    sums = np.add.reduceat(np.append(load, 0), cuts[:-1]) * (np.diff(cuts) > 0)
    assert sums.max() <= load.sum() / parts + load.max()


def test_a_border_that_cannot_move_is_counted():
    load = np.array([100, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    # Nor does it go where it would do no good.
    assert schedule.balanced(load, (0, 5, 10), 3) == ((0, 5, 10), 1)
    load = np.array([60, 20, 10, 10, 0, 0, 0, 0, 0, 0])
    assert schedule.balanced(load, (0, 5, 10), 3) == ((0, 3, 10), 1)
    assert schedule.diffused(load, (0, 5, 10), 3) == ((0, 4, 10), 1)
    assert schedule.balanced(np.ones(10), (0, 3, 10), 3) == ((0, 5, 10), 0)
    assert schedule.diffused(np.zeros(10), (0, 3, 10), 3) == ((0, 3, 10), 0)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(6, 16), st.integers(1, 3), st.integers(1, 3))
def test_every_point_comes_from_its_owner_once(data, n, px, py):
    old, new = (Cuts(data.draw(borders(n, px, 1)), data.draw(borders(n, py, 1))) for _ in range(2))
    columns, rows = old.owners
    for taker in range(px * py):
        (x0, x1), (y0, y1) = new.box(taker)
        got = np.zeros((x1 - x0 + 1, y1 - y0 + 1), int)
        for giver in range(px * py):
            boxes = schedule.moves(old, new, giver, taker)
            near = giver in schedule.partners(old, new, taker)
            assert near == (taker in schedule.partners(old, new, giver))
            assert near or giver == taker or not boxes
            for (a, b, x), (c, d, y) in boxes:
                got[x : x + b - a, y : y + d - c] += 1
                assert (x0 + x - a) % n == (y0 + y - c) % n == 0
                assert (columns[a:b, None] + rows[c:d] == giver).all()
        assert (got == 1).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(1, 6), st.randoms())
def test_blocks_move_from_the_busiest_worker_to_the_least_busy_one(load, workers, random):
    owners = [random.randrange(workers) for _ in load]
    found = schedule.refined(load, owners, workers)
    before, after = (np.bincount(who, load, workers) for who in (owners, found))
    assert before.sum() == after.sum()
    assert after.max() <= before.max()
    assert after.max() - after.min() <= max(load)
    if before.max() == before.min():
        assert found == owners


def test_neighbours_meet_around_the_grid():
    cuts = schedule.even(20, 9)
    assert cuts.neighbours(0) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert schedule.even(20, 2).neighbours(0) == [1]
    assert schedule.even(20, 1).neighbours(0) == []
    # Of 3 x 4 tiles, all but the row of tiles two above.
    assert schedule.even(24, 12).neighbours(4) == [0, 1, 2, 3, 5, 6, 7, 8]


# Runs.


def run(problem, size, make=tagged.Kernel, **options):
    """Run a problem on threads that send each other messages; return the checks, and all periods."""
    given = {"balance": "none", "period": 3, "axes": "both"} | options

    def work(member):
        one = make(problem, member, given)
        one.repeat(1)
        one.repeat(problem.iterations)
        fields = one.fields()
        wrong = coverage.agreed(fields, problem.whole(size), member)
        partials = member.gather(problem.partial(fields))
        return wrong or (problem.check(combined(partials)) if partials else []), one.periods

    found = Place(size).run(work)
    return found[0][0], [periods for _, periods in found]


def valid(checks):
    return all(check.valid for check in checks)


@st.composite
def runs(draw):
    """Draw a small problem, a number of members, and how they are balanced."""
    size = draw(st.sampled_from([1, 2, 3, 4, 6, 9]))
    k, m = draw(st.integers(0, 2)), draw(st.integers(-3, 3))
    px, py = schedule.even(100, size).grid
    least = max(px * (2 * k + 1), py * max(1, abs(m)), 4)
    n = least + least % 2 + 2 * draw(st.integers(0, 4))
    mode = draw(st.sampled_from(list(MODES)))
    more = {"GEOMETRIC": {"rho": draw(st.sampled_from([0.5, 0.9, 1.0, 1.2]))}, "LINEAR": {"beta": 1.0}}
    patch = {"mode": "PATCH", "left": 1, "right": 2, "bottom": 0, "top": 3}
    given = {"mode": mode} | (patch if mode == "PATCH" else more.get(mode, {}))
    given |= {"iterations": draw(st.integers(1, 6)), "particles": draw(st.integers(1, 200))}
    problem = Pic(n=n, k=k, m=m, audit=draw(st.sampled_from([0, 1234])), **given)
    balance = draw(st.sampled_from(["none", "tiles", "diffusive"]))
    axes = draw(st.sampled_from(["x", "y", "both"])) if balance != "none" else "both"
    period = draw(st.integers(1, problem.iterations))
    return problem, size, {"balance": balance, "axes": axes, "period": period}


@settings(deadline=None, max_examples=500)
@given(runs())
def test_random_runs_are_right_however_they_are_balanced(drawn):
    problem, size, options = drawn
    problem.refuse(size)
    registry.runtime("mpi1").refuse("pic", problem, options, size)
    checks, _ = run(problem, size, **options)
    assert valid(checks), checks


@pytest.mark.parametrize(("balance", "size"), [("none", 4), ("tiles", 4), ("diffusive", 6), ("tiles", 9)])
def test_every_particle_is_where_the_reference_has_it(balance, size):
    for number, problem in enumerate(cells.problems("pic", size)):
        if number and size == 9 and problem.n < 9:
            continue
        wanted = cells.expected("pic", problem)
        options = {"balance": balance, "period": 1, "axes": "both"}

        def work(member, problem=problem, options=options):
            one = tagged.Kernel(problem, member, options)
            one.repeat(problem.repetitions)
            return one.fields()

        for fields in Place(size).run(work):
            for name, field in fields.items():
                assert not cells.differs(field, wanted[name], 1e-8)


def test_tiles_as_narrow_as_a_step_are_enough():
    problem = Pic(iterations=9, n=22, particles=500, k=5, m=11, rho=0.8)
    problem.refuse(4)
    for balance in ("none", "tiles", "diffusive"):
        checks, periods = run(problem, 4, balance=balance)
        assert valid(checks)
        # There is nowhere to go.
        assert not any(period.moved for member in periods for period in member)


def test_periods_say_how_the_load_lay():
    problem = Pic(iterations=7, n=24, particles=2000, rho=0.8, k=0)
    ((_, without), (_, with_tiles)) = (run(problem, 4, balance=b) for b in ("none", "tiles"))
    for found in (without, with_tiles):
        table = rows(found)
        assert table["workers"] == 4
        # Each period's halves.
        assert [period["repetition"] for period in table["periods"]] == [2, 4, 5, 7, 8]
        assert all(period["seconds"]["max"] > 0 for period in table["periods"])
        total = sum(4 * period["work"]["mean"] for period in table["periods"])
        assert total == pytest.approx(7 * problem.population.total)
    first, second = (rows(found)["periods"][0] for found in (without, with_tiles))
    # The first timed repetition has what suits it already.
    assert imbalance([second]) < 0.8 * imbalance([first])
    assert not any(period["moved"] for period in rows(without)["periods"])
    looks = [period["balancing"]["min"] > 0 for period in rows(with_tiles)["periods"]]
    assert looks == [True, False, True, False, True]
    assert second["moved"] > 0


def imbalance(periods):
    return sum(one["work"]["max"] for one in periods) / sum(one["work"]["mean"] for one in periods)


@pytest.mark.parametrize("balance", ["tiles", "diffusive"])
def test_borders_go_to_where_the_load_will_be(balance):
    """A patch whose rows go up by one a step, on two members one above the other."""
    patch: dict[str, Any] = {"mode": "PATCH", "left": 0, "right": 47, "bottom": 0, "top": 23}
    problem = Pic(iterations=24, n=48, particles=3000, k=0, m=1, **patch)

    class Behind(tagged.Kernel):
        def wanted(self):
            self.tile.far[:] = 0
            return super().wanted()

    found = []
    for make in (Behind, tagged.Kernel):
        checks, periods = run(problem, 2, make, balance=balance, period=6)
        assert valid(checks)
        found.append(imbalance(rows(periods)["periods"]))
    behind, right = found
    # Off by up to 2.5 of 12 rows, or by up to 5.
    assert right < 1.18 < 1.19 < behind


def test_a_load_is_foreseen_from_how_far_the_last_step_took_it():
    load = np.array([5, 1, 0, 0])
    assert schedule.ahead(load, 6, 2).tolist() == [0, 0, 5, 1]
    assert schedule.ahead(load, -3, 2).tolist() == [1, 0, 0, 5]
    assert schedule.ahead(load, 0, 2).tolist() == [5, 1, 0, 0]
    assert schedule.ahead(0 * load, 0, 2).tolist() == [0, 0, 0, 0]


def test_workers_that_members_move_between_are_counted_once():
    one = [Period(2, 5, 1.0, worker=0), Period(4, 5, 1.0, 0.5, 3, worker=1)]
    other = [Period(2, 7, 1.0, worker=0), Period(4, 7, 2.0, 0.2, worker=0)]
    table = rows([one, other])
    assert table["workers"] == 2
    assert table["periods"][0]["work"] == {"max": 12, "mean": 6}
    assert table["periods"][1] == {
        "repetition": 4,
        "work": {"max": 7, "mean": 6},
        "seconds": {"max": 2.0, "mean": 1.5},
        "balancing": {"max": 0.5, "mean": 0.35, "min": 0.2},
        "moved": 3,
        "held": 0,
    }
    said = Balance([[one, other]], 10.0).lines()
    assert said[0] == "Imbalance of work (maximum over mean) = 1.583"
    assert said[-1] == "Time spent on balancing = 2.00%"


class Shelf(Outbox):
    """An outbox among threads, which read each other's memory and count in a mailbox."""

    def __init__(self, member, shelves, length):
        super().__init__(member.rank, member.size, np.zeros(length))
        self.member, self.shelves = member, shelves
        shelves[member.rank] = self
        member.barrier()

    def tell(self, to):
        self.member.send(to, ("told", self.rank), self.gave[to])

    def await_told(self, source, times):
        assert self.member.receive(("told", source)) == (times,)

    def thank(self, source):
        self.member.send(source, ("thanked", self.rank), self.took[source])

    def await_thanked(self, to, times):
        assert self.member.receive(("thanked", to)) == (times,)

    def read(self, source, start, into):
        into[:] = self.shelves[source].held[start : start + into.size]


@settings(deadline=None, max_examples=25)
@given(st.data(), st.integers(2, 5), st.integers(1, 40))
def test_what_does_not_fit_comes_in_rounds(data, size, room):
    """Three exchanges, each between other partners."""
    shelves = [None] * size
    lengths = st.lists(st.integers(0, 60), min_size=size * size, max_size=size * size)
    drawn = [np.reshape(data.draw(lengths), (size, size)) for _ in range(3)]

    def work(member):
        shelf = Shelf(member, shelves, 3 * size + size + room)
        for number, counts in enumerate(drawn):
            near = [r for r in range(size) if r != member.rank and (r + member.rank) % 3 != number]
            out = [np.arange(counts[member.rank, r]) + 100.0 * member.rank + r for r in near]
            for source, came in zip(near, shelf.exchange(near, out), strict=True):
                assert (came == np.arange(counts[source, member.rank]) + 100.0 * source + member.rank).all()

    Place(size).run(work)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=9), st.integers(0, 100))
def test_portions_fit_and_go_on(lengths, more):
    room = len(lengths) + 1 + more
    found = portions(lengths, room)
    assert sum(found) <= room
    assert all(0 < part <= length or part == length == 0 for part, length in zip(found, lengths, strict=True))


@pytest.mark.parametrize("balance", ["none", "sharing", "stealing"])
def test_blocks_are_pushed_once_each_by_more_threads_than_cores(balance):
    problem = replace(SMALL, iterations=40, n=36, rho=0.7, audit=3)
    options = {"balance": balance, "blocks": 4, "period": 10, "threads": 6}
    one = registry.kernel_class("numba", "pic")(problem, Solo(), options)
    one.repeat(problem.repetitions)
    fields = one.fields()
    assert not coverage.agreed(fields, problem.whole(1), Solo())
    assert valid(problem.check(problem.partial(fields)))
    table = rows([one.periods])
    one.close()
    assert table["workers"] == 6
    for period in table["periods"]:
        count = 9 if period["repetition"] == 10 else 10 if period["repetition"] % 10 == 0 else 1
        assert 6 * period["work"]["mean"] == pytest.approx(count * problem.population.total)
        assert balance != "none" or not period["moved"]


def test_blocks_that_move_between_workers_keep_their_particles():
    """Most of the load lies where one of the workers begins."""
    problem = replace(SMALL, iterations=9, n=36, rho=0.9, audit=9, events=EVENTS)
    make = registry.kernel_class("dask", "pic")
    for size, blocks in ((1, 3), (4, 6)):
        checks, periods = run(problem, size, make, balance="runtime", blocks=blocks)
        assert valid(checks)
        table = rows(periods)["periods"]
        assert [period["repetition"] for period in table] == [3, 6, 9, 10]
        assert any(period["moved"] for period in table) == (size > 1)
    first, last = (table[at]["work"]["max"] / table[at]["work"]["mean"] for at in (0, -1))
    assert last < 0.9 * first


def test_a_tile_is_packed_without_the_room_that_it_does_not_need():
    tile = Tile(SMALL, ((3, 11), (0, 20)))
    tile.remove(2, (3, 5, 0, 20))
    again = pickle.loads(pickle.dumps(tile))
    assert again.box == tile.box
    assert all(np.array_equal(a, b) for a, b in zip(again.keyed(4), tile.keyed(4), strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(again.mesh(), tile.mesh(), strict=True))
    assert again.push() == tile.push()
    empty = Tile(SMALL, ((19, 20), (0, 3)))
    tile.particles.reserve(100_000)
    assert len(pickle.dumps(tile)) < 100_000 > len(pickle.dumps(empty))


def test_what_was_saved_of_blocks_goes_on():
    problem = replace(SMALL, n=24)
    options = {"balance": "none", "blocks": 4, "period": 3, "threads": 2}
    first, second = (registry.kernel_class("numba", "pic")(problem, Solo(), options) for _ in range(2))
    first.repeat(3)
    second.restore(first.save(), 3)
    second.repeat(problem.repetitions - 3)
    assert valid(problem.check(problem.partial(second.fields())))
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"blocks": 0}, "--blocks: 0 is too few"),
        ({"blocks": 64}, "--blocks: 64 for each of 2 workers are narrower than a step; use 25"),
        ({"period": 0}, "--period: 0 is too short"),
    ],
)
def test_blocks_narrower_than_a_step_are_refused(given, said):
    options = {"balance": "none", "blocks": 4, "period": 3, "threads": 2}
    with pytest.raises(Refusal, match=said):
        registry.runtime("numba").refuse("pic", SMALL, options | given, 1)


def test_what_was_saved_of_blocks_that_have_moved_goes_on():
    problem = replace(SMALL, n=36, rho=0.9)
    make = registry.kernel_class("dask", "pic")

    def work(member):
        one: Any = make(problem, member, {"balance": "runtime", "blocks": 6, "period": 2})
        one.repeat(3)
        state, before = one.save(), one.owners
        one.repeat(2)
        moved = before != one.owners
        one.restore(state, 3)
        assert one.owners == before
        one.repeat(problem.repetitions - 3)
        return moved, member.gather(problem.partial(one.fields()))

    found = Place(4).run(work)
    assert all(moved for moved, _ in found)
    assert valid(problem.check(combined(found[0][1])))


# What is sent.


@pytest.mark.parametrize("given", [{"rho": 0.8}, PATCH, {"k": 2, "m": -3, "audit": 5}, {"k": 0, "m": 0}])
def test_who_leaves_a_tile_is_known_before(given):
    problem = replace(SMALL, n=24, iterations=4, **given)

    def work(member):
        one = Recorded(problem, member, {"balance": "none", "period": 3, "axes": "both"})
        one.repeat(problem.repetitions)
        return one.noted

    for size in (2, 4, 6, 9):
        for rank, given_by_rank in enumerate(Place(size).run(work)):
            for repetition, counts in enumerate(given_by_rank):
                wanted = {to: n for to, n in problem.leavers(rank, size, repetition).items() if n}
                assert counts == wanted, (size, rank, repetition)


class Recorded(tagged.Kernel):
    """Notes how many particles it gives whom."""

    def setup(self):
        self.noted = []
        super().setup()

    def exchange(self, partners, out):
        if hasattr(self, "neighbours"):
            self.noted.append({to: len(rows) for to, rows in zip(partners, out, strict=True) if len(rows)})
        return super().exchange(partners, out)


def test_formulas_are_silent_where_borders_move_or_something_happens():
    still = {"balance": "none", "period": 3, "axes": "both"}
    for name in ("mpi1", "mpirma", "charm4py"):
        how = registry.runtime(name)
        assert how.messages("pic", SMALL, still, 4, 0) is not None
        assert how.messages("pic", SMALL, {**still, "balance": "tiles"}, 4, 0) is None
        assert how.messages("pic", replace(SMALL, events=EVENTS), still, 4, 0) is None


def test_what_each_way_to_exchange_sends():
    problem, options = replace(SMALL, n=24, iterations=1), {"balance": "none"}
    leavers = problem.leavers(0, 2, 1)
    assert list(leavers) == [1]
    first = {name: sent_in(1, said(problem, options, 2, 0)) for name, said in SAID.items()}
    rows = 48 * leavers[1]
    taken = 48 * problem.leavers(1, 2, 1)[0]
    assert first == {
        "messages": (2, 8 + rows),
        "leaving": (1, rows),
        "memory": (2, 24 + taken),
        "mates": (0, 0),
    }


SAID: dict[str, Any] = {
    "messages": _pic.in_messages,
    "leaving": _pic.leaving,
    "memory": _pic.in_memory,
    "mates": partial(_pic.in_messages, mates=(0, 1)),
}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(1, 40))
def test_rounds_give_everything(lengths, more):
    found = _pic.rounds(lengths, len(lengths) + more)
    assert [sum(parts) for parts in found] == lengths
    assert all(parts for parts in found)


def test_members_share_the_counting_of_columns(monkeypatch):
    counted, whole = [], placement.count_columns

    def count(source, first, last, counts):
        counted.append(last - first)
        whole(source, first, last, counts)

    monkeypatch.setattr(placement, "count_columns", count)
    problem = replace(SMALL, n=26, rho=0.77)
    parts = [population.part(problem, rank, 4) for rank in range(4)]
    assert counted == [7, 7, 6, 6]
    population.share(problem, np.sum(parts, axis=0))
    shared = population.Population(problem)
    assert len(counted) == 4
    population.share(SMALL, np.zeros(20, np.int64))
    assert shared.initial.columns.tolist() == population.Population(problem).initial.columns.tolist()
    assert counted[4:] == [26]


# What must be noticed.


class TwoSteps(Kernel):
    """A step in one, as one that knows the answer might go."""

    def push(self):
        rows, n = self.tile.particles.rows[:, : self.tile.particles.held], self.problem.n
        rows[0], rows[1] = (rows[0] + self.problem.stride) % n, (rows[1] + self.problem.m) % n
        rows[2] = 2 * self.problem.stride - rows[2]
        return 0


def keyed(fields):
    return fields["particles"]


class Lost(Kernel):
    def fields(self):
        found = super().fields()
        numbers, values = keyed(found)
        return {**found, "particles": Keyed(numbers[1:], values[1:])}


class Twice(Kernel):
    def fields(self):
        found = super().fields()
        numbers, values = keyed(found)
        again = [*range(1, len(numbers)), 1]
        return {**found, "particles": Keyed(numbers[again], values[again])}


class Unmoved(Kernel):
    def send(self, leaving):
        if self.done == 2:
            self.tile.particles.rows[0, 3] = (self.tile.particles.rows[0, 3] + 1) % self.problem.n


class Strays(tagged.Kernel):
    """The charges beyond a tile's upper end are those within: only an audit sees that in between."""

    def send(self, leaving):
        super().send(leaving if self.done < 5 or self.comm.rank else 0)


def test_who_stays_in_the_wrong_tile_is_noticed():
    checks, _ = run(SMALL, 2, Strays)
    assert [check.name for check in checks if not check.valid] == [
        "#particles that are in no cell of their member"
    ]


@pytest.mark.parametrize("make", [TwoSteps, Lost, Twice, Unmoved])
def test_wrong_ports_are_noticed(make):
    for seed in (0, 77):
        problem = replace(SMALL, audit=seed)
        checks, _ = run_alone(problem, make)
        # Only an audit knows who does not look at the charges.
        assert valid(checks) == (make is TwoSteps and not seed)


def run_alone(problem, make):
    one = make(problem, Solo(), {})
    one.repeat(problem.repetitions)
    fields = one.fields()
    wrong = coverage.agreed(fields, problem.whole(1), Solo())
    return wrong or problem.check(problem.partial(fields)), one


def test_particles_that_go_further_than_to_a_neighbour_end_the_run():
    problem = replace(SMALL, n=48, particles=2000)

    class Far(tagged.Kernel):
        def push(self):
            super().push()
            self.tile.particles.found[0] = 0
            self.tile.particles.rows[1, 0] = (self.tile.particles.rows[1, 0] + 24) % 48
            return 1

    with pytest.raises(RuntimeError, match="1 particles leave for tiles that are no neighbours"):
        run(problem, 12, Far)


def test_an_audit_stays_near_the_middles_of_cells():
    problem = Pic(iterations=300, n=30, particles=300, audit=5)
    ids = np.arange(problem.population.total)
    lives = problem.population.lives(ids)
    x, y = problem.after(lives.x + 0.5, lives.y + 0.5, lives.steps)
    away = np.abs(audit.replay(problem, ids, lives)[:, :2] - np.stack([x, y], axis=1))
    assert 1e-6 < np.minimum(away, 30 - away).max() < 0.1


def test_events_change_how_many_are_moved(tmp_path):
    path = tmp_path / "events"
    path.write_text("2 0 19 0 19 add 400\n4 0 19 0 19 remove\n5 1 2 3 4 add 8\n")
    problem = replace(SMALL, events=str(path))
    first, more, last = (s.total for s in (problem.population.initial, *problem.population.added.values()))
    assert problem.population.living().tolist() == [first, first, first + more, first + more, 0, last]
    assert problem.work == np.mean([first, first + more, first + more, 0, last])
    assert valid(run_alone(problem, Kernel)[0])
    path.write_text("2 0 19 0 19 add 400\n")
    assert problem.cost(1).bytes == 72 * 1000
