"""Synch_global: the whole string, what a lost synchronisation does to it, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.check import Box, combined
from prk.job import Job
from prk.problem import Measured, Refusal
from prk.synch_global.problem import STRING, SynchGlobal
from prk.team import Crew
from tests import cells, reference


def verdict(problem, digits, size, claimed=None):
    """Return whether members validate that have these digits, and say that they are `claimed`."""
    each = problem.n // size
    fields = [
        {
            "members": Box((slice(r, r + 1),), np.array([claimed or size])),
            "digits": Box((slice(r * each, (r + 1) * each),), digits[r * each : (r + 1) * each]),
        }
        for r in range(size)
    ]
    return all(c.valid for c in problem.check(combined(map(problem.partial, fields))))


def test_digits_of_the_specification():
    """Four members with three digits, 276 each, twice."""
    assert SynchGlobal(n=48).start(1).tobytes().decode() == STRING + STRING[:16]
    # The first member takes places 0, 4 and 8 of 276276276276, the second one 1, 5 and 9.
    for count, right in ((1, b"276762627276"), (2, b"267722667726")):
        assert reference.synch_global(12, count, 4)["digits"].tobytes() == right
    assert verdict(SynchGlobal(n=12, iterations=1), np.frombuffer(right, np.uint8), 4)


@given(st.integers(2, 12), st.integers(1, 40), st.integers(1, 30))
def test_the_string_after_any_repetitions(size, each, iterations):
    problem = SynchGlobal(n=size * each, iterations=iterations)
    assert verdict(problem, reference.synch_global(problem.n, iterations + 1, size)["digits"], size)


@given(st.integers(1, 12288), st.integers(1, 1 << 24), st.data())
def test_each_digit_comes_from_where_it_stood(size, each, data):
    """Member m has at its place i what stood at m + i P, for strings beyond 2^31 digits as well."""
    problem = SynchGlobal(n=size * each)
    place = data.draw(st.integers(0, problem.n - 1))
    at = place
    for count in range(4):
        assert problem.origin(size, slice(place, place + 1), count).tolist() == [at]
        member, i = divmod(at, each)
        at = member + i * size


@pytest.mark.parametrize("size", [2, 3, 6])
@pytest.mark.parametrize("iterations", [1, 2, 10])
def test_a_synchronisation_too_few_or_too_many_is_noticed(size, iterations):
    problem = SynchGlobal(n=600, iterations=iterations)
    for count in (iterations, iterations + 2):
        assert not verdict(problem, reference.synch_global(600, count, size)["digits"], size)


def test_one_wrong_digit_is_noticed_and_two_swapped_ones():
    problem = SynchGlobal(n=600, iterations=3)
    right = reference.synch_global(600, 4, 3)["digits"]
    wrong, swapped = right.copy(), right.copy()
    wrong[77] += 1
    # The sum of the digits, which the reference program checks, stays as it is.
    other = int(np.flatnonzero(right != right[77])[0])
    swapped[[77, other]] = swapped[[other, 77]]
    assert verdict(problem, right, 3)
    assert not verdict(problem, wrong, 3)
    assert not verdict(problem, swapped, 3)


def test_members_that_say_another_number_are_noticed():
    """One member has the same digits for ever, as it would have alone."""
    problem = SynchGlobal(n=600, iterations=3)
    alone = np.tile(reference.synch_global(300, 4, 1)["digits"], 2)
    assert not verdict(problem, alone, 2)
    assert not verdict(problem, alone, 2, claimed=1)


@pytest.mark.parametrize(
    ("problem", "size", "said"),
    [
        ({"iterations": 0}, 1, "--iterations: .* use at least 1"),
        ({"n": 100}, 3, "--n: .* 3 ranks; use 99 or 102"),
        ({"n": 2}, 3, "--n: .* use 3"),
        ({"n": 0}, 2, "--n: .* use 2"),
        ({"n": -4}, 2, "--n: .* use 2"),
        ({"n": 2**33}, 2, f"--n: .* use at most {2 * (2**31 - 1)}"),
    ],
)
def test_what_cannot_be_is_refused(problem, size, said):
    with pytest.raises(Refusal, match=said):
        SynchGlobal(**problem).refuse(size)


def test_rate_counts_synchronisations():
    problem = SynchGlobal()
    assert problem.values(Measured(problem, 2e-6, (), (), ()), 4)["rate"] == pytest.approx(5e5)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_threads_are_the_members(threads):
    for problem in cells.problems("synch_global", threads):
        job = Job("synch_global", "numba", problem, {"threads": threads})
        assert not cells.compare(job, Crew(threads))
