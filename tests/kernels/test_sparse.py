"""Sparse: the matrix's pattern, who needs what of the vector, its layout, the check, costs and refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.check import Box, combined
from prk.problem import Refusal
from prk.run import registry
from prk.runtime import Sent
from prk.runtimes import _sent
from prk.sparse.problem import Sparse
from prk.sparse.schedule import Lines, Pattern, reversed_bits
from prk.sparse.serial import Kernel
from prk.team import Solo
from tests import cells, reference

PATTERNS = st.sampled_from(
    [Pattern(b, r, s) for b, r in ((0, 0), (1, 0), (2, 1), (3, 3), (4, 2)) for s in (True, False)]
)


class Member:
    """A member of a team that says nothing."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@given(st.integers(0, 12), st.integers(0, 10**6))
def test_bits_are_reversed(bits, number):
    number %= 1 << bits
    want = int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
    assert reversed_bits(np.array([number]), bits)[0] == want
    assert reversed_bits(np.array([want]), bits)[0] == number


@given(PATTERNS, st.integers(0, 4))
def test_what_a_member_takes_is_what_the_others_give(pattern, log2_size):
    size = min(1 << log2_size, pattern.order)
    block = pattern.order // size
    given = [pattern.given(rank, size) for rank in range(size)]
    for rank in range(size):
        rows = np.arange(rank * block, (rank + 1) * block)
        columns = np.unique(pattern.columns(rows))
        assert (np.diff(pattern.columns(rows), axis=1) > 0).all()
        others = {
            owner: part
            for owner in range(size)
            if owner != rank and (part := columns[columns // block == owner]).size
        }
        taken = pattern.taken(rank, size)
        assert taken.keys() == others.keys() == {r for r in range(size) if rank in given[r]}
        for owner, part in taken.items():
            np.testing.assert_array_equal(part, others[owner])
            np.testing.assert_array_equal(part, given[owner][rank])


@pytest.mark.parametrize(("lsize", "size"), [(0, 1), (2, 8), (3, 2), (7, 1), (7, 4), (8, 2), (8, 512)])
@pytest.mark.parametrize("scramble", ["yes", "no"])
def test_the_compiled_matrix_is_the_pattern_s(lsize, size, scramble):
    problem = Sparse(lsize=lsize, radius=min(1, lsize // 2), scramble=scramble)
    pattern, lines = problem.pattern, problem.lines(size)
    for rank in {0, size // 2, size - 1}:
        made = Kernel(problem, Member(rank, size), {})
        columns = pattern.columns(np.arange(*made.span))
        np.testing.assert_array_equal(made.columns.reshape(columns.shape), lines.place(columns))
        np.testing.assert_array_equal(made.starts, np.arange(len(columns) + 1) * problem.row_length)
        # A slice is whole lines.
        own = lines.place(np.arange(*made.span))
        assert made.own.size * 8 == problem.slice_bytes(size)
        assert own[0] == rank * made.own.size
        assert own[-1] < (rank + 1) * made.own.size


def test_lines_are_a_line_of_the_cache_apart_where_they_are_long():
    assert Sparse(lsize=11).lines(1) == Lines(11, 2056)
    assert Sparse(lsize=11).lines(1 << 14) == Lines(8, 264)
    assert Sparse(lsize=6).lines(1) == Lines(6, 64)


def whole(problem):
    parts = cells.expected("sparse", problem)
    return {name: Box(tuple(slice(0, n) for n in v.shape), v.copy()) for name, v in parts.items()}


def valid(problem, parts):
    return all(c.valid for c in problem.check(problem.partial(parts)))


@pytest.mark.parametrize("problem", cells.problems("sparse", 1)[1:])
@pytest.mark.parametrize("name", ["vector", "result", "matrix"])
def test_every_element_is_checked(problem, name):
    assert valid(problem, whole(problem))
    rng = np.random.default_rng(1)
    for wrong in (1e-3, -1e-3, math.nan, math.inf):
        parts = whole(problem)
        array = parts[name].values
        array[tuple(rng.integers(0, s) for s in array.shape)] *= 1 + wrong
        assert not valid(problem, parts)


@pytest.mark.parametrize("size", [2, 4, 16])
def test_members_parts_combine(size):
    problem = Sparse(lsize=3, radius=1, iterations=2)
    fields = whole(problem)
    parts = []
    for rank in range(size):
        own = Kernel(problem, Member(rank, size), {}).fields()
        parts.append({name: Box(box.where, fields[name].values[box.where]) for name, box in own.items()})
    found = combined(map(problem.partial, parts))
    assert all(c.valid for c in problem.check(found))


def test_golden_sum():
    problem = Sparse(lsize=5, radius=3, iterations=10)
    made = Kernel(problem, Solo(), {})
    made.repeat(11)
    assert made.result.sum() == pytest.approx(878592, rel=1e-12)
    assert (made.result == 13 * 66).all()
    assert reference.sparse(5, 3, "yes", 11)["result"].sum() == pytest.approx(878592, rel=1e-12)


def test_work_and_cost():
    problem = Sparse(lsize=5, radius=3)
    cost = problem.cost(4)
    assert problem.work == cost.flop == 2 * 1024 * 13
    # Of each non-zero 12 bytes.
    assert cost.bytes == 1024 * (13 * 12 + 8 + 16 + 16 + 4 * 8)
    assert (cost.messages, cost.chain, cost.message_bytes) == (2, 2, 8 * 768)
    alone = problem.cost(1)
    assert (alone.messages, alone.chain, alone.message_bytes) == (0, 0, 0)


def test_what_members_send():
    problem = Sparse(lsize=4, radius=1, scramble="no")
    all_of_it, needed = {"gather": "all"}, {"gather": "needed"}
    assert _sent.slices(problem, all_of_it, 4, 0) == Sent(3, 3 * 8 * 64)
    # Four lines of sixteen points each: the first and the last one are the neighbours'.
    assert _sent.slices(problem, needed, 4, 0) == Sent(2, 2 * 8 * 16)
    assert _sent.slices_of_others(problem, needed, 4, 3) == Sent(2, 2 * 8 * 16)
    mpi1 = registry.runtime("mpi1")
    assert mpi1.messages("sparse", problem, all_of_it, 4, 0) == Sent(1, 8 * 64)
    assert mpi1.messages("sparse", problem, all_of_it, 1, 0) == Sent()


@pytest.mark.parametrize("size", [1, 2, 4, 16])
@pytest.mark.parametrize("name", ["mpi1", "mpirma", "shmem"])
def test_memory_with_what_is_packed(name, size):
    how, problem = registry.runtime(name), Sparse(lsize=6, radius=2)
    options = {"gather": "all", "shmem-backend": "rma"}
    arrays = 8 * 4096 + 4096 // size * (9 * 12 + 16)
    assert how.memory("sparse", problem, options, size) <= 1.3 * arrays + 200
    pattern = problem.pattern
    every = [
        [*pattern.taken(rank, size).values(), *pattern.given(rank, size).values()] for rank in range(size)
    ]
    packed = max(sum(part.size for part in parts) for parts in every)
    needed = how.memory("sparse", problem, options | {"gather": "needed"}, size)
    assert needed >= problem.memory(size) + 12 * packed


@pytest.mark.parametrize(
    ("given", "size", "says"),
    [
        ({"iterations": 0}, 1, "--iterations: 0 is too few"),
        ({"lsize": -1}, 1, r"--lsize: there is no grid of side 2\^-1; use 0 to"),
        ({"radius": -1}, 1, "--radius: -1 is negative; use at least 0"),
        ({"lsize": 3, "radius": 4}, 1, "--radius: 4 does not fit .* use at most 3, or --lsize 4 or more"),
        ({"lsize": 0, "radius": 1}, 1, "use at most 0, or --lsize 2 or more"),
        ({"lsize": 4}, 3, "256 rows .* do not divide over 3; use 2 or 4"),
        ({"lsize": 4}, 384, "do not divide over 384; use at most 256"),
        ({"lsize": 4}, 512, "do not divide over 512; use at most 256"),
    ],
)
def test_refusals(given, size, says):
    with pytest.raises(Refusal, match=says):
        Sparse(**given).refuse(size)


def test_what_fits_is_not_refused():
    Sparse(lsize=3, radius=3).refuse(64)
    Sparse(lsize=0, radius=0).refuse(1)
