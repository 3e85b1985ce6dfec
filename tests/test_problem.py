"""The analytic checks themselves: right fields pass, and any one wrong element fails."""

import math

import numpy as np
import pytest

from prk import record, runtime
from prk.job import Job
from prk.problem import Check
from tests import cells, reference

CASES = [(k, p) for k in ("stencil", "synch_p2p", "transpose", "nstream") for p in cells.problems(k)]


def whole(kernel, problem):
    fields = {k: v.copy() for k, v in cells.expected(kernel, problem).items()}
    if kernel == "stencil":
        fields = {k: v.astype(problem.dtype) for k, v in fields.items()}
    return {k: (tuple(slice(0, s) for s in v.shape), v) for k, v in fields.items()}


def valid(problem, parts):
    return all(c.valid for c in problem.check([problem.partial(parts)]))


@pytest.mark.parametrize(("kernel", "problem"), CASES)
def test_right_fields_validate_and_one_wrong_element_does_not(kernel, problem):
    assert valid(problem, whole(kernel, problem))
    rng = np.random.default_rng(1)
    for name in whole(kernel, problem):
        for wrong in (1.0, -1.0, math.nan, math.inf):
            parts = whole(kernel, problem)
            array = parts[name][1]
            array[tuple(rng.integers(0, s) for s in array.shape)] += wrong
            assert not valid(problem, parts), f"{name} off by {wrong} was not noticed"


def test_errors_that_cancel_are_noticed():
    problem = cells.problems("stencil")[0]
    parts = whole("stencil", problem)
    parts["out"][1][5, 5] += 0.5
    parts["out"][1][5, 6] -= 0.5
    assert not valid(problem, parts)


def test_nan_is_never_valid():
    assert not Check("error", math.nan, 1.0).valid


@pytest.mark.parametrize("kernel", runtime.kernels())
def test_memory_is_at_least_what_the_fields_take(kernel):
    for problem in cells.problems(kernel):
        made = runtime.kernel_class("serial", kernel)(problem, runtime_solo(), {})
        made.repeat(problem.repetitions)
        assert problem.memory(1) >= sum(a.nbytes for _, a in made.fields().values())


def test_memory_of_a_group_holds_its_buffers():
    """48 columns on each of 6 ranks, and 2 buffers of 144 x 144 for the 3 ranks of a group."""
    how, problem = runtime.runtime("mpishm"), runtime.problem_class("transpose")(order=288)
    need = how.memory(Job("transpose", "mpishm", problem, {"group-size": 3}), 6)
    assert need >= 8 * (2 * 48 * 288 + 2 * 144 * 144 / 3)


def runtime_solo():
    from prk.kernel import Solo

    return Solo()


def test_work_is_the_specification_s():
    made = runtime.problem_class
    assert made("stencil")(n=1000, radius=4).work == 35 * 992**2
    assert made("stencil")(n=100, radius=2, pattern="compact").work == 51 * 96**2
    assert made("synch_p2p")(m=100, n=50).work == 2 * 99 * 49
    assert made("transpose")(order=100).work == 160_000
    assert made("nstream")(n=100).work == 3200


def test_point_id_depends_on_parameters_and_layout_only():
    point = {
        "kernel": "stencil", "runtime": "mpi1", "parameters": {"n": 1, "iterations": 2}, "options": {},
        "layout": {"ranks": 1}, "finished": "now",
    }  # fmt: skip
    same = {**point, "parameters": {"iterations": 2, "n": 1}, "finished": "later"}
    assert record.point_id(point) == record.point_id(same)
    assert record.point_id(point) != record.point_id({**point, "layout": {"ranks": 2}})


def test_reference_of_the_specification_s_corner():
    assert reference.synch_p2p(7, 9, 4)["A"][-1, -1] == 4 * (7 + 9 - 2)
