"""Schedules: each rank sends what its cell says, and whoever is sent something expects it."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prk import decomposition
from prk.allreduce import schedules
from prk.ddp import schedule as training
from prk.job import Job
from prk.run import registry
from prk.runtimes import _steps
from prk.schedule import SEND, Exchange, Fastest, Layout, Meanwhile, Pipeline, Shifts, Work, nothing, total
from prk.stencil import schedule as stencil
from prk.synch_p2p import schedule as pipeline
from tests import cells

MOST = 12288
CELLS = [
    (name, kernel)
    for name in registry.runtimes()
    for kernel in registry.kernels()
    if registry.runtime(name).cell(kernel).schedule
]


def schedule_of(name: str, kernel: str) -> Any:
    return registry.runtime(name).cell(kernel).schedule


def cases(name, kernel, size):
    """Yield every case of a cell's problems and options, with each size of a group where none is said."""
    how = registry.runtime(name)
    for options, problem in itertools.product(cells.variants(name, kernel, {}), cells.problems(kernel, size)):
        free = options.get("group-size", 1) is None
        for group in [g for g in range(1, size + 1) if size % g == 0] if free else [None]:
            chosen = {**options, **({"group-size": group} if group else {})}
            if cells.refused(Job(kernel, name, problem, chosen), how, size):
                continue
            for case in problem.cases(size, 0):
                yield case, chosen


def test_every_runtime_of_mpi_has_the_five_kernels_or_says_why_not():
    assert {name for name, _ in CELLS} == {
        "mpi1", "mpirma", "mpishm", "mpithreads", "shmem", "upc", "coarray",
    }  # fmt: skip
    for name in {name for name, _ in CELLS}:
        how = registry.runtime(name)
        for kernel in {kernel for _, kernel in CELLS}:
            assert how.cell(kernel).schedule or how.cell(kernel).absent, (name, kernel)


@pytest.mark.parametrize(("name", "kernel"), CELLS)
def test_a_schedule_sends_what_the_cell_says(name, kernel):
    """The cell's formula is what an audit compares with the messages that it counts."""
    how, compared = registry.runtime(name), 0
    for size in (1, 2, 3, 4, 6, 12):
        for case, options in cases(name, kernel, size):
            steps = schedule_of(name, kernel)(case, options, Layout(size, 1, options.get("threads") or 1))
            if steps is None:
                continue
            sent, times = total(steps, size), getattr(case, "burst", 1)
            wanted = [how.messages(kernel, case, options, size, rank) for rank in range(size)]
            assert (times * sent.messages).tolist() == [w.messages for w in wanted], (case, options)
            # Parts that differ by an element are all taken to be the larger ones.
            spare = 2 * size * case.itemsize * times if kernel == "allreduce" else 0
            more = times * sent.bytes - [w.bytes for w in wanted]
            assert ((more >= 0) & (more <= spare)).all(), (case, options, more)
            compared += 1
    assert compared >= 6


@given(st.integers(1, MOST), st.integers(1, 6), st.data())
def test_a_side_is_what_the_neighbour_expects(size, radius, data):
    n = max(decomposition.grid(size)) * radius + data.draw(st.integers(0, 1000))
    rank = data.draw(st.integers(0, size - 1))
    tile = decomposition.tile(n, n, size, rank)
    for axis in stencil.sides(tile, radius):
        for place, side in enumerate(axis):
            if side.neighbour is None:
                continue
            there = stencil.sides(decomposition.tile(n, n, size, side.neighbour), radius)
            back = next(a for a in there if a[0].neighbour == rank or a[1].neighbour == rank)[1 - place]
            assert back.neighbour == rank
            assert (side.edge, side.ghost) == (back.ghost, back.edge)


@given(st.integers(1, MOST), st.data())
def test_a_line_is_told_to_whoever_hears_it(size, data):
    rank = data.draw(st.integers(0, size - 1))
    left, right = pipeline.neighbours(rank, size)
    source, to = pipeline.corner(rank, size)
    assert left == pipeline.NOBODY or pipeline.neighbours(left, size)[1] == rank
    assert right == pipeline.NOBODY or pipeline.neighbours(right, size)[0] == rank
    assert source == pipeline.NOBODY or pipeline.corner(source, size)[1] == rank
    # Each tells exactly one, and hears exactly one, unless it is alone.
    for pair in ((left, source), (right, to)):
        assert sum(other != pipeline.NOBODY for other in pair) == (size > 1)


@given(st.integers(1, MOST), st.data())
def test_shifts_are_the_pairwise_exchange(size, data):
    rank = data.draw(st.integers(0, size - 1))
    around = decomposition.shifts(size)
    assert decomposition.pairwise(rank, size) == [((rank + s) % size, (rank - s) % size) for s in around]
    assert {to for _, to in decomposition.pairwise(rank, size)} == set(range(size)) - {rank}


@settings(max_examples=30)
@given(st.integers(2, MOST), st.integers(1, 100_000))
def test_a_ring_shifts_by_one(size, count):
    (reduce, gather) = _steps.ring(count, 4, range(1), size, 0)
    rank = count % size
    sent = schedules.ring(rank, size, count)
    assert len(reduce.shifts) + len(gather.shifts) == len(sent)
    assert max(given.stop - given.start for given, _ in sent) * 4 <= reduce.size[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(1, 5000), st.booleans())
def test_a_halving_gives_to_each_what_it_takes(size, count, whole):
    for step in _steps.halving(count, 4, 1, size, 0, whole):
        if isinstance(step, Exchange):
            own = Counter(zip(step.source.tolist(), step.to.tolist(), strict=True))
            assert set(own.values()) <= {1}
            assert sorted(step.source.tolist()) == step.source.tolist()


def brute(divided, rank):
    """Return incoming, outgoing and partners as they are defined, by looking at every rank."""

    def others(group):
        return [r for r in range(divided.ranks) if (r // divided.group == rank // divided.group) == group]

    incoming = [
        (owner, piece)
        for ghost in divided.ghosts(rank)
        for owner in others(False)
        if (piece := decomposition.overlap(ghost, divided.tiles[owner]))
    ]
    outgoing = [
        (reader, piece)
        for reader in others(False)
        for ghost in divided.ghosts(reader)
        if (piece := decomposition.overlap(ghost, divided.tiles[rank]))
    ]
    partners = [
        other
        for other in others(True)
        if other != rank and (divided._reads(rank, other) or divided._reads(other, rank))
    ]
    return incoming, outgoing, partners


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_near_ranks_are_all_that_have_to_do_with_a_tile(data):
    group = data.draw(st.integers(1, 12))
    ranks = group * data.draw(st.integers(1, 8))
    n = ranks + data.draw(st.integers(0, 40))
    divided = decomposition.SuperTiles(
        n, n, ranks, group, data.draw(st.integers(1, 5)), data.draw(st.booleans())
    )
    for rank in range(ranks):
        found = divided.incoming(rank), divided.outgoing(rank), divided.partners(rank)
        assert found == brute(divided, rank)


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=40), st.floats(1, 1e8))
def test_buckets_hold_every_weight_once_from_the_last_to_the_first(lengths, limit):
    found = training.buckets(lengths, limit)
    assert list(itertools.chain(*found)) == list(reversed(range(len(lengths))))
    for bucket, later in itertools.pairwise([*found, []]):
        held = sum(lengths[place] for place in bucket)
        assert bucket
        assert held <= limit or len(bucket) == 1
        assert not later or held + lengths[later[0]] > limit


def test_what_a_rank_of_the_study_s_largest_layout_sends():
    """The message count of a rank on 512 nodes of 24, which the closing table of a prediction states."""
    layout, made = Layout(MOST, 512), registry.problem_class

    def sent(name: str, kernel: str, size: dict[str, int], **options: Any) -> tuple[int, int]:
        own = {o.name: o.default for o in registry.runtime(name).cell(kernel).options} | options
        found = total(schedule_of(name, kernel)(made(kernel)(**size), own, layout), MOST)
        return int(found.messages.max()), int(found.bytes.max())

    n = 49152
    assert sent("mpi1", "stencil", {"n": n})[0] == 4
    assert sent("mpi1", "synch_p2p", {"m": n, "n": n}) == (n - 1, 8 * (n - 1))
    assert sent("mpi1", "transpose", {"order": n}) == (MOST - 1, 8 * 16 * (MOST - 1))
    # One of 24 ranks sends for all of them, to 511 others.
    assert sent("mpishm", "transpose", {"order": n}, **{"group-size": 24}) == (511, 511 * 8 * 96**2)


def test_steps_count_what_they_send():
    one = Exchange(np.array([0, 0, 1]), np.array([1, 2, 0]), np.array([8, 0, 16]), SEND)
    assert [a.tolist() for a in one.sent(3)] == [[1, 1, 0], [8, 16, 0]]
    around = Shifts(np.array([1, 2]), 3, np.array([10, 6]), members=2, senders=(0, 1), segment=4)
    assert [a.tolist() for a in around.sent(6)] == [[6, 4] * 3, [20, 12] * 3]
    carries = np.array([True, False, True, False])
    row = Pipeline(5, 3, np.ones(4), (SEND,) * 4, carries, 2)
    assert [a.tolist() for a in row.sent(2)] == [[2, 2], [32, 32]]
    assert [a.tolist() for a in Fastest(((one,),), 7).sent(2)] == [[1, 1], [7, 7]]
    assert [a.tolist() for a in Meanwhile(Work(), (1.0,), ((one,), (one,))).sent(3)] == [
        [2, 2, 0],
        [16, 32, 0],
    ]
    assert nothing(2).bytes.sum() == 0
