"""Branch: four types of loop with branches and without, and generated functions of which each is right."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numba import njit

from prk.branch import loops
from prk.branch.problem import TYPES, Branch
from prk.branch.serial import Kernel
from prk.check import combined
from prk.problem import Refusal
from prk.team import Solo


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("branches", ["yes", "no"])
def test_every_pass_changes_every_sign(kind, branches):
    made = Kernel(Branch(n=100, type=kind, branches=branches, iterations=2), Solo(), {})
    first = made.v.copy()
    assert first[:8].tolist() == [3, 2, 1, 0, -1, -2, -3, -4]
    for k in range(1, 4):
        made.repeat(1)
        assert np.array_equal(made.v, (-1) ** k * first)


@pytest.mark.parametrize("kind", TYPES[:3])
def test_what_a_pass_does_depends_on_the_branch_that_is_taken(kind):
    # No run's data: aux is 3 - (i & 7), so that the two branches do not come to the same.
    v, index = np.array([5, -5] * 8, np.int32), np.arange(16, dtype=np.int32)
    aux = 3 - (np.arange(16) & 7)
    positive = aux > 0 if kind == "vector_go" else v > 0
    right = np.where(positive, -v, v - 2 * aux)
    loops.chosen(Branch(type=kind, branches="yes"))(v, index, np.int32(1))
    assert np.array_equal(v, right)


def test_indirect_operands_are_those_that_the_index_names():
    index = np.arange(8, dtype=np.int32)[::-1].copy()
    v = np.arange(8, dtype=np.int32)
    right = v.copy()
    for i in range(8):
        right[i] -= right[index[i]] + 3 - i
    loops.chosen(Branch(type="no_vector", branches="no"))(v, index, np.int32(1))
    assert np.array_equal(v, right)


@pytest.mark.parametrize(("functions", "matrix"), [(1, 1), (3, 2), (8, 4)])
def test_generated_functions_are_all_right(functions, matrix):
    loop = loops.ins_heavy(functions, matrix, True)
    v, index = np.full(4 * functions + 3, 9, np.int32), np.arange(4 * functions + 3, dtype=np.int32)
    loop(v, index, np.int32(-1))
    # A function that found no identity would say 0, whose term is -3.
    assert v.tolist() == [3 - (i & 7) for i in range(v.size)]


def test_each_generated_function_says_its_index():
    @njit
    def called(which, index):
        return loops.generated(which, index, 3, 4)

    assert [called(f, 1000 + f) for f in range(3)] == [1000, 1001, 1002]


def test_an_element_that_is_wrong_is_counted():
    problem = Branch(n=1000, branches="yes", iterations=2)
    made = Kernel(problem, Solo(), {})
    made.repeat(3)
    (check,) = problem.check(combined([problem.partial(made.fields())]))
    assert check.valid
    made.v[[3, 999]] += 1
    (check,) = problem.check(combined([problem.partial(made.fields())]))
    assert (check.error, check.valid) == (2.0, False)


def test_both_loops_are_cases_and_the_one_with_branches_is_stated():
    problem = Branch(iterations=4)
    cases = problem.cases(1, 0)
    assert [case.branches for case in cases] == ["no", "yes"]
    measured: list[Any] = list(cases)
    assert problem.stated(measured) == measured[1:]
    assert [c.branches for c in replace(problem, branches="no").cases(1, 0)] == ["no"]


def test_operations_are_those_of_the_specification():
    assert Branch(n=10).work_of(3) == 120
    assert Branch(n=10, type="ins_heavy", matrix=5).work == 10 * 5 * (19 * 5 + 6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"iterations": 7}, "use 6 or 8"),
        ({"iterations": 1}, "use 2"),
        ({"iterations": 0}, "use at least 2"),
        ({"n": 0}, "--n.*use at least 1"),
        ({"functions": 0}, "--functions.*use at least 1"),
        ({"matrix": 11}, "--matrix.*use at most 10"),
    ],
)
def test_what_is_refused(given, said):
    with pytest.raises(Refusal, match=said):
        Branch(**given).refuse(1)
