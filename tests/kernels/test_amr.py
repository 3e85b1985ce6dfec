"""AMR: where pieces lie for any number of ranks, who sends what to whom, the answer, costs and refusals."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prk import decomposition
from prk.amr import loops, schedule
from prk.amr.problem import Amr
from prk.check import combined
from prk.problem import Refusal
from prk.records.balance import rows
from prk.run import registry
from prk.runtimes._tagged import amr as tagged
from prk.team import Crew, Solo
from tests.wrong_ports import Place


def problem(**more):
    return Amr(**{"n": 60, "refinement": 20, "level": 1, "radius": 2, **more})


def accepted(one, size):
    try:
        one.refuse(size)
    except Refusal:
        return False
    return True


PROBLEMS = st.builds(
    problem,
    n=st.integers(20, 60),
    refinement=st.integers(6, 20),
    level=st.integers(0, 2),
    radius=st.integers(1, 2),
    balance=st.sampled_from(schedule.STRATEGIES),
)
SIZES = st.integers(1, 24)


def points(box):
    return set(itertools.product(*(range(*span) for span in box)))


@settings(deadline=None)
@given(PROBLEMS, SIZES)
def test_every_point_has_one_owner_and_every_halo_is_sent(one, size):
    if not accepted(one, size):
        return
    for mesh, n in zip(one.layout(size).meshes, [one.n, *4 * [one.fine]], strict=True):
        tiles = [mesh.tile(rank) for rank in range(size)]
        owned = [p for t in tiles for p in points((t.rows, t.cols))]
        assert len(owned) == n * n
        assert set(owned) == points(((0, n), (0, n)))
        assert sorted(mesh.ranks) == [rank for rank, t in enumerate(tiles) if t.shape[0]]
        for rank, tile in enumerate(tiles):
            sides = decomposition.sides((tile.rows, tile.cols), one.radius, False).values()
            wanted = set().union(*map(points, sides)) & set(owned) if tile.shape[0] else set()
            got = mesh.incoming(rank)
            assert set().union(*(points(box) for _, box in got)) == wanted
            for owner, box in got:
                assert points(box) <= points((tiles[owner].rows, tiles[owner].cols))
                assert (rank, box) in mesh.outgoing(owner)
        assert sum(len(mesh.incoming(r)) - len(mesh.outgoing(r)) for r in range(size)) == 0


@settings(deadline=None)
@given(PROBLEMS, SIZES)
def test_what_is_interpolated_from_comes_from_its_owners(one, size):
    if not accepted(one, size):
        return
    layout, e = one.layout(size), one.expansion
    for feed in layout.feeds:
        sent = {(rank, to, box) for rank in range(size) for to, box in feed.outgoing(rank)}
        received = {(owner, rank, box) for rank in range(size) for owner, box in feed.incoming(rank)}
        assert sent == received
        for rank in range(size):
            tile, own = feed.refinement.tile(rank), feed.own(rank)
            found = [box for _, box in feed.incoming(rank)] + ([own] if own else [])
            needed = {
                (feed.corner[0] + y, feed.corner[1] + x)
                for i, j in points((tile.rows, tile.cols))
                for y in {i // e, -(-i // e)}
                for x in {j // e, -(-j // e)}
            }
            assert sum(len(points(box)) for box in found) == len(needed)
            assert set().union(*map(points, found)) == needed
            for owner, box in feed.incoming(rank):
                held = layout.background.tile(owner)
                assert points(box) <= points((held.rows, held.cols))


@given(st.integers(2, 12288), st.integers(10, 50000), st.integers(3, 50000))
def test_two_groups_share_all_ranks(size, n, fine):
    background, refinement = schedule.high_water(n, fine, size)
    assert background + refinement == size
    assert min(background, refinement) >= 1


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12288), st.sampled_from(schedule.STRATEGIES), st.data())
def test_pieces_of_many_ranks(size, balance, data):
    one = Amr(n=49152, refinement=8192, balance=balance)
    if not accepted(one, size):
        return
    rank = data.draw(st.integers(0, size - 1))
    for feed in one.layout(size).feeds:
        for owner, box in feed.incoming(rank):
            assert (rank, box) in feed.outgoing(owner)
        for reader, box in feed.outgoing(rank):
            assert (rank, box) in feed.incoming(reader)


def test_high_water_of_the_specification():
    assert schedule.high_water(1000, 997, 6) == (4, 2)
    assert schedule.high_water(1000, 397, 16) == (14, 2)
    assert schedule.high_water(100, 77, 12) == (8, 4)


def test_strategies_say_which_ranks_work():
    def ranks(**more):
        return [set(mesh.ranks) for mesh in problem(**more).layout(6).meshes]

    every = set(range(6))
    assert ranks() == 5 * [every]
    assert ranks(spread=2) == [every, *4 * [{0, 1}]]
    # On a grid of 2 x 3 the corners are in tiles 0, 5, 4 and 1.
    assert ranks(balance="no-talk", refinement=15) == [every, {0}, {5}, {4}, {1}]
    background, *refinements = ranks(balance="high-water")
    assert background == {0, 1, 2, 3, 4}
    assert refinements == 4 * [{5}]


def test_the_answer_of_the_specification():
    one = Amr(iterations=10, n=100, refinement=20, level=2, period=2, duration=1, sub=5)
    kernel = registry.kernel_class("serial", "amr")(one, Solo(), {})
    kernel.repeat(11)
    fields = {name: field.values for name, field in kernel.fields().items()}
    inside = slice(one.radius, -one.radius)
    means = [np.abs(fields[f"out{g}"][inside, inside]).mean() for g in ("", " 0", " 2")]
    assert means == pytest.approx([22, 20, 10])
    assert [fields[f"in{g}"].mean() for g in ("", " 0")] == pytest.approx([110, 32])
    assert all(c.valid for c in one.check(one.partial(kernel.fields())))
    assert [one.updates(g) for g in range(4)] == [10, 10, 5, 5]
    assert one.work * 10 == pytest.approx((35) * (92**2 * 10 + 69**2 * 25) + 3 * 77 * 97 * 5)
    assert sum(one.cost(1, k).flop for k in range(1, 11)) == pytest.approx(one.work * 10)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1))
def test_the_answer_whenever_it_ends(iterations, period, duration, sub, level):
    if duration > period:
        return
    one = problem(
        n=9,
        refinement=4,
        radius=1,
        level=level,
        iterations=iterations,
        period=period,
        duration=duration,
        sub=sub,
    )
    kernel = registry.kernel_class("serial", "amr")(one, Solo(), {})
    kernel.repeat(one.repetitions)
    assert all(c.valid for c in one.check(combined([one.partial(kernel.fields())])))
    kernel.repeat(1)
    assert not all(c.valid for c in one.check(combined([one.partial(kernel.fields())])))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([1, 2, 4, 8]), st.integers(0, 12), st.integers(0, 12), st.data())
def test_interpolation(e, top, left, data):
    coarse = np.random.default_rng(1).random((5, 6))
    height = data.draw(st.integers(1, 4 * e + 1 - min(top, 4 * e)))
    width = data.draw(st.integers(1, 5 * e + 1 - min(left, 5 * e)))
    top, left = min(top, 4 * e), min(left, 5 * e)
    fine = np.zeros((height + 2, width + 3))
    # The part that is needed lies in an array of its own.
    y, x = top // e, left // e
    part = coarse[y : -(-(top + height - 1) // e) + 1, x : -(-(left + width - 1) // e) + 1].copy()
    loops.interpolate(part, -y, -x, fine, (1, 1 + height, 2, 2 + width), (top, left), e)
    lines = np.array([np.interp((left + np.arange(width)) / e, range(6), line) for line in coarse])
    want = np.array([np.interp((top + np.arange(height)) / e, range(5), line) for line in lines.T]).T
    assert np.allclose(fine[1 : 1 + height, 2 : 2 + width], want, rtol=1e-13)
    assert fine.sum() == pytest.approx(want.sum())


def periods(name, one, size, **options):
    """Return the periods of a run, of all members."""
    if name == "numba":
        kernel = registry.kernel_class(name, "amr")(one, Crew(size), {"threads": size})
        kernel.repeat(1)
        kernel.repeat(one.iterations)
        kernel.close()
        return [kernel.periods]

    def work(member):
        kernel = tagged.Kernel(one, member, options)
        kernel.repeat(1)
        kernel.repeat(one.iterations)
        return kernel.periods

    return Place(size).run(work)


@pytest.mark.parametrize("name", ["tagged", "numba"])
def test_periods_say_how_the_load_lies_while_refinements_come_and_go(name):
    """Repetitions 0, 1, 3, 4, 6 and 7 have one, of 39 x 39 points, each in a corner of the background."""
    one = problem(iterations=7, period=3, duration=2, sub=4, balance="no-talk")
    table = rows(periods(name, one, 2))
    assert table["workers"] == 2
    assert [p["repetition"] for p in table["periods"]] == [2, 3, 5, 6, 8]
    background, fine = 60 * 60 // 2, 4 * 39 * 39
    # The first is in the upper half, the others in the lower one.
    alone = [
        1 * (background + fine),
        background,
        2 * (background + fine),
        background,
        2 * (background + fine),
    ]
    assert [p["work"]["max"] for p in table["periods"]] == alone
    mean = [background + fine / 2, background, 2 * background + fine, background, 2 * background + fine]
    assert [p["work"]["mean"] for p in table["periods"]] == mean
    # Compiled code has no clock for what each thread computes.
    assert all((p["seconds"]["max"] > 0) == (name == "tagged") for p in table["periods"])


def test_members_without_background_rest_while_there_is_no_refinement():
    one = problem(iterations=3, period=2, duration=1, sub=1, balance="high-water")
    found = rows(periods("tagged", one, 3))["periods"]
    # Two have the background, the third one the refinement that repetition 2 has.
    assert [(p["repetition"], p["work"]) for p in found] == [
        (2, {"max": 1800, "mean": 1200}),
        (3, {"max": 1800, "mean": (3600 + 39 * 39) / 3}),
        (4, {"max": 1800, "mean": 1200}),
    ]
    assert sum(one.load(rank, 3, 2) for rank in range(3)) == 3600 + 39 * 39


@settings(deadline=None)
@given(PROBLEMS, SIZES)
def test_the_busiest_member_sends_what_the_cost_says(one, size):
    if not accepted(one, size):
        return
    background, *refinements = one.layout(size).meshes

    def sent(rank, repetition):
        number = one.living(repetition)
        boxes = [box for _, box in background.outgoing(rank)]
        if one.lives(repetition):
            boxes += one.sub * [box for _, box in refinements[number].outgoing(rank)]
        return len(boxes), 8 * sum(len(points(box)) for box in boxes)

    for repetition in range(1, 5):
        cost = one.cost(size, repetition)
        each = [sent(rank, repetition) for rank in range(size)]
        assert cost.messages <= max(m for m, _ in each)
        assert cost.message_bytes <= max(b for _, b in each)
    if accepted(one, 1):
        assert one.cost(1).messages == one.cost(1).chain == 0


@pytest.mark.parametrize(
    ("more", "size", "said"),
    [
        ({"n": 1}, 1, "--n: 1 is too small; use at least 2"),
        ({"refinement": 1}, 1, "--refinement: 1 is too small"),
        ({"refinement": 61}, 1, "--refinement: 61 is more than the background has; use 2 to 60"),
        ({"level": -1}, 1, "--level: -1 is too small"),
        ({"level": 17}, 1, "--level: 17 is too fine; use at most 16"),
        ({"period": 0}, 1, "--period: 0 is too small"),
        ({"duration": 0}, 1, "--duration: 0 is too small"),
        ({"duration": 3}, 1, "--duration: 3 is longer than the period"),
        ({"sub": 0}, 1, "--sub: 0 is too small"),
        ({"radius": 0}, 1, "--radius: 0 is too small"),
        ({"iterations": 0}, 1, "--iterations: 0 is too few"),
        ({"radius": 30, "refinement": 60}, 1, "--n: a star of radius 30 does not fit 60 points"),
        ({"radius": 4, "refinement": 4}, 1, "--refinement: a star of radius 4 does not fit 7 points"),
        ({"balance": "high-water"}, 1, "--balance: high-water divides at least two ranks"),
        ({"spread": 5}, 4, "--spread: 5 of 4 ranks; use 1 to 4"),
        ({"spread": -1}, 4, "--spread: -1 of 4 ranks"),
        ({"spread": 2, "balance": "no-talk"}, 4, "--spread: no-talk says itself"),
        (
            {"n": 9, "refinement": 9},
            9 * 9,
            "--n: 9 points are cut into tiles of 1 rows, less than the radius",
        ),
        ({"refinement": 31, "balance": "no-talk"}, 2, "use another size, or --balance fine-grain"),
        ({"refinement": 4}, 6, "refinement 0 is cut into pieces of 2 rows"),
        ({"iterations": 10**8}, 1, "could hide a lost halo; use fewer iterations"),
    ],
)
def test_what_is_refused(more, size, said):
    if "pieces of 2 rows" in said:
        more = {**more, "radius": 3}
    with pytest.raises(Refusal) as refusal:
        problem(**more).refuse(size)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("charm4py", {"balancer": "Greedy"}, "--balancer: Charm balances nothing; .* use --variant blocks"),
        ("charm4py", {"lb_period": 2}, "--lb-period: Charm balances nothing; .* use --variant blocks"),
        (
            "charm4py",
            {"variant": "blocks", "lb_period": 11},
            "--lb-period: Charm never looks at the load every 11 of 10 repetitions; use 1 to 10",
        ),
        ("charm4py", {"variant": "blocks", "lb_period": 0}, "--lb-period: .* use 1 to 10"),
        ("dask", {"variant": "tasks", "bands": 0}, "--bands: 0 a worker are none, .*; use 1 to 4"),
        (
            "dask",
            {"variant": "tasks", "bands": 5},
            "--bands: 5 a worker are none, or thinner",
        ),
    ],
)
def test_what_a_runtime_cannot_place_is_refused(name, given, said):
    how = registry.runtime(name)
    usual = {o.name: o.default for o in how.cell("amr").options}
    with pytest.raises(Refusal, match=said):
        how.refuse("amr", problem(iterations=10), usual | given, 4)


def test_tasks_have_no_strategy():
    how = registry.runtime("dask")
    usual = {o.name: o.default for o in how.cell("amr").options} | {"variant": "tasks"}
    with pytest.raises(Refusal, match="--variant: Dask itself says where tasks run"):
        how.refuse("amr", problem(balance="no-talk"), usual, 4)
