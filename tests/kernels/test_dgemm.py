"""DGEMM: SUMMA's schedule for any number of ranks, the local products, the check, costs and refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.check import Box, combined
from prk.dgemm import blas, loops, schedule
from prk.dgemm.problem import Dgemm
from prk.problem import Refusal
from prk.run import registry
from prk.runtime import Sent
from prk.runtimes import _sent
from tests import cells

RANKS = st.integers(1, 60)


@given(st.integers(1, 12288))
def test_the_grid_has_the_most_rows_that_are_no_more_than_its_columns(size):
    rows, columns = schedule.grid(size)
    assert rows * columns == size
    assert rows <= columns
    assert not any(size % d == 0 for d in range(rows + 1, math.isqrt(size) + 1))


@given(RANKS, st.integers(60, 200), st.integers(1, 70))
def test_every_k_is_in_one_panel_of_one_owner_in_each_line(size, n, width):
    every = schedule.panels(n, size, width)
    assert [k for panel in every for k in range(*panel)] == list(range(n))
    for cut in schedule.grid(size):
        owned = schedule.blocks(n, cut)
        for panel in every:
            (owner,) = [b for b in owned if b[0] <= panel.start < b[1]]
            assert panel.stop <= owner[1]
            assert panel.width <= width
    # No narrower than the specification's.
    ends = {stop for cut in schedule.grid(size) for _, stop in schedule.blocks(n, cut)}
    assert all(p.width == width or p.stop in ends for p in every)


@given(st.sampled_from([(1, 1), (2, 1), (2, 2), (4, 2), (6, 1), (6, 2), (6, 3), (12, 4), (8, 2)]))
def test_a_panel_goes_once_round_all_groups_of_its_line(case):
    size, group = case
    lines = [schedule.lines(40, size, rank, 7, group) for rank in range(size)]
    for axis in (0, 1):
        for number, panel in enumerate(lines[0][axis].panels):
            for rank in range(size):
                line = lines[rank][axis]
                holder = line.holder(number)
                assert holder // group == rank // group
                source = line.source(number)
                if holder == line.owner(number):
                    assert source is None
                elif holder == rank:
                    assert source is not None
                    assert lines[source][axis].to(number) == rank
                to = line.to(number)
                assert to is None or lines[to][axis].source(number) == rank
                within = line.within(number)
                assert within.stop - within.start == panel.width
            passed = sum(lines[r][axis].to(number) is not None for r in lines[0][axis].ranks)
            assert passed == len(lines[0][axis].groups) - 1


def test_what_ranks_send():
    """Six ranks in two rows and three columns, blocks of 6 x 4: panels 0-2, 2-4, 4-6, 6-8, 8-10, 10-12."""
    problem = Dgemm(order=12, block=2)
    assert [tuple(p) for p in problem.lines(0, 6)[0].panels] == [(k, k + 2) for k in range(0, 12, 2)]
    # Of A's, all but the two of the rank to the right; of B's, its own three.
    assert _sent.panels(problem, {}, 6, 0) == Sent(4 + 3, 8 * 2 * (4 * 6 + 3 * 4))
    assert _sent.panels_of_others(problem, {}, 6, 0) == Sent(4 + 3, 8 * 2 * (4 * 6 + 3 * 4))
    assert _sent.panels(problem, {}, 1, 0) == Sent()
    # In pairs: rank 0 receives and passes on for rank 1, which sends its own only.
    assert _sent.panels(problem, {}, 6, 1, 2).messages == 2 + 3


@given(RANKS, st.integers(60, 130), st.integers(1, 40))
def test_costs_are_what_the_busiest_rank_gets(size, order, block):
    problem = Dgemm(order=order, block=block)
    got = [_sent.panels_of_others(problem, {}, size, rank) for rank in range(size)]
    cost = problem.cost(size)
    assert cost.flop == 2 * order**3
    assert cost.message_bytes == got[0].bytes <= max(sent.bytes for sent in got)
    assert cost.messages == got[0].messages
    passed = [_sent.panels(problem, {}, size, rank) for rank in range(size)]
    assert max(sent.bytes for sent in passed) >= cost.message_bytes


@pytest.mark.parametrize("multiply", [loops.by("loops"), loops.by("blas"), blas.by_numpy])
@pytest.mark.parametrize(("depth", "rows", "columns"), [(1, 1, 1), (8, 5, 513), (21, 300, 17), (16, 7, 1030)])
def test_local_products_of_some_rows(multiply, depth, rows, columns):
    rng = np.random.default_rng(1)
    A, B, C = rng.random((depth, rows)), rng.random((depth, columns)), rng.random((rows, columns))
    first, last = rows // 3, rows - rows // 4
    want = C.copy()
    want[first:last] += A[:, first:last].T @ B
    multiply(A, B, C, first, last)
    np.testing.assert_allclose(C, want, rtol=1e-13)


def test_the_blas_of_numpy_is_called_itself():
    """Wheels have it under a name of their own; elsewhere `by_numpy` takes its place."""
    assert blas.routine() is not None


def fields(problem):
    whole = cells.expected("dgemm", problem)
    return {name: Box((slice(0, problem.order),) * 2, values.copy()) for name, values in whole.items()}


@pytest.mark.parametrize("wrong", [1.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", "ABC")
def test_every_element_is_checked(name, wrong):
    problem = Dgemm(order=17, iterations=2)
    for place in ((0, 0), (8, 3), (16, 16)):
        parts = fields(problem)
        assert all(c.valid for c in problem.check(problem.partial(parts)))
        parts[name].values[place] += wrong
        assert not all(c.valid for c in problem.check(problem.partial(parts)))


def test_members_parts_combine():
    problem = Dgemm(order=17, iterations=2)
    whole = {name: box.values for name, box in fields(problem).items()}
    parts = []
    for rank in range(6):
        where = tuple(slice(*span) for span in problem.ranges(rank, 6))
        parts.append({name: Box(where, values[where]) for name, values in whole.items()})
    assert all(c.valid for c in problem.check(combined(map(problem.partial, parts))))


def test_the_specification_s_answer():
    c = cells.expected("dgemm", Dgemm(order=10, iterations=4))["C"]
    assert (c == 5 * np.arange(10) * 45).all()


@pytest.mark.parametrize(
    ("given", "size", "says"),
    [
        ({"iterations": 0}, 1, "--iterations: 0 is too few; use at least 1"),
        ({"order": 5}, 6, "--order: 5 is less than the 6 ranks; use at least 6"),
        ({"block": 0}, 1, "--block: 0 is too small; use at least 1"),
    ],
)
def test_refusals(given, size, says):
    with pytest.raises(Refusal, match=says):
        Dgemm(**given).refuse(size)


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_memory_is_little_more_than_the_matrices(size):
    problem = Dgemm(order=3000)
    assert problem.memory(size) <= 1.3 * 3 * problem.memory_of_block(size)
    heap = registry.runtime("shmem").memory("dgemm", problem, {"shmem-backend": "rma"}, size)
    assert heap == pytest.approx(problem.memory(size), abs=200)


def test_threads_that_have_something_to_do():
    assert Dgemm(order=100).most_threads(4) == 50
    assert Dgemm(order=100).most_threads(3) == 100
