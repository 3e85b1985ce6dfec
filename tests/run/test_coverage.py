"""Every element has one owner, in the type that was asked for: counted without looking at a value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk import coverage, decomposition
from prk.check import Box, Keyed, combined
from prk.coverage import Keys, Owners, Whole
from prk.run import registry
from prk.team import Solo
from tests import cells


def box(rows, cols, dtype="float64", values=None):
    where = slice(*rows), slice(*cols)
    shape = rows[1] - rows[0], cols[1] - cols[0]
    return Box(where, np.zeros(shape, dtype) if values is None else values)


def checks(whole, *members):
    wholes = {"a": whole}
    return coverage.check(combined(coverage.partial({"a": f} if f else {}, wholes) for f in members), wholes)


GRID = Whole((40, 30))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 12])
def test_tiles_cover_their_grid(size):
    tiles = [decomposition.tile(40, 30, size, rank) for rank in range(size)]
    assert not checks(GRID, *(box(t.rows, t.cols) for t in tiles))


LEFT, RIGHT = box((0, 40), (0, 10)), box((0, 40), (10, 30))
WRONG = {
    "nothing is owned": [None, None],
    "half is owned": [LEFT],
    "only the diagonal blocks": [box((0, 20), (0, 15)), box((20, 40), (15, 30))],
    "a tile twice and another never": [LEFT, LEFT, box((0, 40), (20, 30))],
    "an overlap": [LEFT, box((0, 40), (9, 30))],
    "an owner too many": [LEFT, RIGHT, box((3, 4), (3, 4))],
    "a gap that areas do not show": [box((0, 40), (0, 15)), box((0, 40), (14, 29))],
    "beyond the whole": [LEFT, box((0, 40), (10, 31))],
    "one element, repeated": [LEFT, box((0, 40), (10, 30), values=np.broadcast_to(0.0, (40, 20)))],
    "a row, repeated": [LEFT, box((0, 40), (10, 30), values=np.broadcast_to(np.zeros(20), (40, 20)))],
    "single precision": [LEFT, box((0, 40), (10, 30), "float32")],
    "another shape": [LEFT, box((0, 40), (10, 30), values=np.zeros((20, 40)))],
    "keys instead of a box": [LEFT, Keyed(np.arange(800), np.zeros(800))],
    "another number of axes": [LEFT, Box((slice(0, 800),), np.zeros(800))],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_cover_is_noticed(name):
    found = checks(GRID, *WRONG[name])
    assert found
    assert not any(c.valid for c in found)
    assert all("a" in c.name for c in found)


def test_a_field_that_the_problem_does_not_know_is_noticed():
    wholes = {"a": Whole((3,))}
    extra = {"a": Box((slice(0, 3),), np.zeros(3)), "b": Box((slice(0, 3),), np.zeros(3))}
    (found,) = coverage.check(combined([coverage.partial(extra, wholes)]), wholes)
    assert "(b)" in found.name


@given(st.data())
def test_owners_are_equal_just_when_every_element_has_one(data):
    """Against counting: random boxes, two to four axes of up to 3 elements."""
    axes = data.draw(st.integers(2, 4))
    shape = tuple(data.draw(st.integers(1, 3)) for _ in range(axes))
    count = np.zeros(shape, int)
    owners = Owners({})
    for _ in range(data.draw(st.integers(1, 6))):
        ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
        count[tuple(slice(*e) for e in ends)] += 1
        owners += Owners.of(tuple(e[0] for e in ends), tuple(e[1] for e in ends))
    assert (owners == Owners.of((0,) * axes, shape)) == bool((count == 1).all())


@pytest.mark.parametrize(
    ("keys", "covers"),
    [
        ([[0, 1, 2], [3, 4]], True),
        ([[4, 2], [], [3, 0, 1]], True),
        ([[0, 1, 2], [3]], False),
        ([[0, 1, 2], [3, 3]], False),
        ([[0, 1, 2], [3, 5]], False),
        # The same count and sum.
        ([[0, 0, 2], [4, 4]], False),
    ],
)
def test_keys_are_there_once_each(keys, covers):
    fields = [Keyed(np.array(k, np.int64), np.zeros(len(k))) for k in keys]
    assert (not checks(Whole((5,), keyed=True), *fields)) is covers


@given(st.integers(0, 300))
def test_keys_in_order_are_counted_by_a_formula(n):
    assert Keys.upto(n) == Keys.of(np.arange(n))


def test_keys_beyond_32_bit_are_counted_exactly():
    n = 2**40 + 7
    assert Keys.upto(n) + Keys.of(np.arange(n, n + 3)) == Keys.upto(n + 3)


@pytest.mark.parametrize("name", registry.kernels())
def test_every_kernel_says_what_its_fields_are(name):
    for problem in cells.problems(name, 1):
        kernel = registry.kernel_class("serial", name)(problem, Solo(), {})
        kernel.repeat(problem.repetitions)
        wholes = problem.whole(1)
        assert not coverage.check(combined([coverage.partial(kernel.fields(), wholes)]), wholes)
