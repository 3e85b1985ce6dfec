"""Reduce: its answer, what is refused, and who sends what to whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.check import Box, combined
from prk.job import Job
from prk.problem import Measured, Refusal
from prk.reduce import schedules
from prk.reduce.problem import Reduce
from prk.run import registry
from prk.team import Crew
from tests import cells, reference

SIZES = st.integers(1, 12288)


def verdict(problem, v):
    """Return the checks of whole fields that each member has a row of."""
    ones = np.ones_like(v)
    rows = [slice(r, r + 1) for r in range(len(v))]
    fields = [{n: Box((r, slice(0, v.shape[1])), a[r]) for n, a in (("v", v), ("ones", ones))} for r in rows]
    return problem.check(combined(map(problem.partial, fields)))


@pytest.mark.parametrize(("size", "iterations"), [(1, 1), (1, 10), (2, 1), (2, 10), (5, 3), (7, 20)])
def test_answer_is_the_specification_s(size, iterations):
    k = iterations + 1
    v = reference.reduce(6, k, size)["v"]
    assert (v[0] == k + 1 + k * (k + 3) * (size - 1) / 2).all()
    assert (v[1:] == k + 1).all()
    assert all(c.valid for c in verdict(Reduce(n=6, iterations=iterations), v))


@pytest.mark.parametrize("wrong", [1.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("row", range(3))
def test_any_one_wrong_element_is_noticed(row, wrong):
    problem = Reduce(n=6, iterations=4)
    v = reference.reduce(6, 5, 3)["v"]
    v[row, 4] += wrong
    assert not all(c.valid for c in verdict(problem, v))


def test_an_answer_beyond_32_bits_is_right():
    problem, others = Reduce(n=2, iterations=99_999), 999
    root = 100_001 + 100_000 * 100_003 // 2 * others
    v = np.full((1 + others, 2), 100_001.0)
    v[0] = root
    assert root > 2**32
    assert all(c.valid for c in verdict(problem, v))
    v[0] -= v[1]
    assert not all(c.valid for c in verdict(problem, v))


@pytest.mark.parametrize(("given", "option"), [({"n": 0}, "--n"), ({"iterations": 0}, "--iterations")])
def test_what_cannot_be_is_refused(given, option):
    with pytest.raises(Refusal, match=f"{option}: .* use at least 1"):
        Reduce(**given).refuse(3)


def test_rate_counts_the_additions_of_all_members():
    problem = Reduce(n=1000)
    found = [problem.values(Measured(problem, 1e-3, (), (), ()), size)["rate"] for size in (1, 4)]
    assert found == pytest.approx([1.0, 7.0])


@given(SIZES, st.data(), st.sampled_from(schedules.TREES))
def test_all_but_the_root_have_one_parent(size, data, shape):
    rank = data.draw(st.integers(0, size - 1))
    children, parent = schedules.node(shape, rank, size)
    assert (parent is None) == (rank == 0)
    if parent is not None:
        assert rank in schedules.node(shape, parent, size).children
    for child in children:
        assert schedules.node(shape, child, size).parent == rank
    depth = 0
    while rank:
        rank, depth = schedules.node(shape, rank, size).parent, depth + 1
    assert depth <= (1 if shape == "linear" else (size - 1).bit_length())


@given(st.integers(1, 40), st.integers(1, 300_000))
def test_every_element_is_summed_by_one_member(size, n):
    for cut in (schedules.pieces, schedules.shares):
        parts = [cut(n, size, index) for index in range(size)]
        assert len({len(own) for own in parts}) == 1
        spans = sorted((s.start, s.stop) for own in parts for s in own if s.stop > s.start)
        assert [a for a, _ in spans] == [0, *(b for _, b in spans[:-1])]
        assert spans[-1][1] == n
        assert max(b - a for a, b in spans) <= schedules.SEGMENT


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_threads_are_the_members(threads):
    how = registry.runtime("numba")
    options = {"threads": threads}
    assert how.members_a_rank("reduce", options) == threads
    assert how.members_a_rank("stencil", options) == 1
    for problem in cells.problems("reduce", threads):
        assert not cells.compare(Job("reduce", "numba", problem, options), Crew(threads))


@pytest.mark.parametrize("threads", [0, -2])
def test_no_threads_are_refused(threads):
    how = registry.runtime("numba")
    with pytest.raises(Refusal, match="--threads"):
        how.launch(Job("reduce", "numba", Reduce(n=4), {"threads": threads}))
