"""The matrix has every pair of values that is not refused, in few small problems, alike on all members."""

import itertools

import pytest

from prk import cli
from prk.conformance import matrix
from prk.problem import Refusal
from prk.run import registry


def cases(kernel, runtime, size, *words):
    job, _ = cli.parse(kernel, ["--runtime", runtime, *words])
    return job, registry.runtime(runtime), matrix.cases(job, registry.runtime(runtime), size, 1)


@pytest.mark.parametrize(
    ("kernel", "runtime"), [("stencil", "mpirma"), ("transpose", "mpi1"), ("allreduce", "mpi1")]
)
def test_every_pair_of_choices_is_there(kernel, runtime):
    job, how, found = cases(kernel, runtime, 2)
    values = {k: v for k, v in matrix.axes(job, how).items() if isinstance(v[0], str)}
    had = [{**one.problem.parameters(), **{f"--{k}": v for k, v in one.options.items()}} for one in found]
    first = {k: v[0] for k, v in matrix.axes(job, how).items()}
    for (a, of_a), (b, of_b) in itertools.combinations(values.items(), 2):
        for x, y in itertools.product(of_a, of_b):
            try:
                matrix.case(job, how, {**first, a: x, b: y}, 2)
            except Refusal:
                continue
            assert any(h[a] == x and h[b] == y for h in had), (a, x, b, y)


def test_problems_are_small_and_of_several_sizes():
    _, _, found = cases("transpose", "mpi1", 3)
    orders = {one.problem.order for one in found}
    assert len(orders) > 2
    assert max(orders) < 100
    assert {one.problem.iterations for one in found} == set(matrix.ITERATIONS)


def test_it_is_the_same_every_time():
    assert cases("stencil", "mpishm", 4)[2] == cases("stencil", "mpishm", 4)[2]


def test_a_case_is_stated_by_its_command_line():
    for one in cases("synch_p2p", "numba", 1, "--threads", "2", "--audit-seed", "7")[2]:
        job, _ = cli.parse("synch_p2p", matrix.words(one))
        assert (job.problem, job.options) == (one.problem, one.options)
        assert job.problem.audit == 7
