"""RefCount: its answers, what is refused, and counters under many threads."""

import math

import numpy as np
import pytest

from prk.check import combined
from prk.problem import Refusal
from prk.refcount import serial
from prk.refcount.problem import RefCount
from prk.run import registry
from prk.team import Crew, Solo


def run(problem, name="serial", threads=1, times=1):
    """Return the counters and whether the answer is right, after each of several runs with one kernel."""
    team = Crew(threads) if name == "numba" else Solo()
    kernel = registry.kernel_class(name, "refcount")(problem, team, {"threads": threads})
    start = kernel.save()
    for _ in range(times):
        kernel.restore(start, 0)
        kernel.repeat(1)
        kernel.repeat(problem.iterations)
        fields = kernel.fields()
        yield fields["counters"].values.tolist(), problem.check(combined([problem.partial(fields)]))
    kernel.close()


def test_answers():
    """Eleven updates: of integers from (1, 0), and of a unit vector by a radian each."""
    ((counters, checks),) = run(RefCount(iterations=10))
    assert counters == [[12, 11]]
    assert all(c.valid for c in checks)
    ((counters, checks),) = run(RefCount(iterations=10, update="dependent", lock="lock", stream=4))
    assert np.allclose(counters, [[math.cos(11), math.sin(11)]])
    assert all(c.valid for c in checks)


def test_a_pair_a_thread_or_one_for_all():
    ((counters, checks),) = run(RefCount(iterations=10, counters="private"), "numba", 3)
    assert counters == [[12, 11]] * 3
    assert all(c.valid for c in checks)
    ((counters, checks),) = run(RefCount(iterations=10), "numba", 3)
    assert counters == [[34, 33]]
    assert all(c.valid for c in checks)


@pytest.mark.parametrize("given", [{}, {"lock": "lock"}, {"lock": "lock", "update": "dependent"}])
def test_more_threads_than_cores_lose_no_update(given):
    """200 runs of five threads."""
    for _, checks in run(RefCount(iterations=200, **given), "numba", 5, times=200):
        assert all(c.valid for c in checks), checks


@pytest.mark.parametrize("counter", [0, 1])
@pytest.mark.parametrize("given", [{}, {"lock": "lock", "update": "dependent"}])
def test_a_lost_update_is_seen(given, counter):
    problem = RefCount(iterations=5, **given)
    kernel = serial.Kernel(problem, Solo(), {})
    kernel.repeat(5)
    lost = kernel.counters().copy()
    kernel.repeat(1)
    kernel.counters()[0, counter] = lost[0, counter]
    assert not all(c.valid for c in problem.check(problem.partial(kernel.fields())))


def test_refusals():
    for given, said in (
        ({"update": "dependent"}, "--lock: atomic cannot .* use --lock lock"),
        ({"stream": -1}, "--stream: -1 is negative; use 0"),
        ({"iterations": 0}, "--iterations"),
    ):
        with pytest.raises(Refusal, match=said):
            RefCount(**given).refuse(1)
    # Counters lie in the memory of one group.
    options = {"group-size": 2}
    how = registry.runtime("mpishm")
    how.refuse("refcount", RefCount(), options, 2)
    how.refuse("refcount", RefCount(counters="private"), options, 4)
    with pytest.raises(Refusal, match=r"--group-size: 2 leaves some of 4 ranks .* use 4 on one node"):
        how.refuse("refcount", RefCount(), options, 4)


def test_cost():
    cost = RefCount(update="dependent", lock="lock", stream=10).cost(4)
    assert (cost.flop, cost.bytes, cost.atomics) == (4 * 36, 4 * 320, 4)
    assert RefCount(counters="private").cost(4).atomics == 1
