"""The analytic checks themselves: right fields pass, and any one wrong element fails."""

import math

import numpy as np
import pytest

from prk.allreduce.problem import Allreduce
from prk.check import Box, Check, combined
from prk.nstream.problem import Nstream
from prk.problem import Measured, Refusal, size_option
from prk.run import registry
from prk.stencil import loops
from prk.stencil.problem import Stencil
from prk.synch_p2p.problem import SynchP2P
from prk.team import Solo
from prk.transpose.problem import Transpose
from tests import cells, reference

CASES = [(k, p) for k in ("stencil", "synch_p2p", "transpose", "nstream") for p in cells.problems(k, 1)]

SIZES = {
    "stencil": "--n", "synch_p2p": "--m", "transpose": "--order", "nstream": "--n",
    "allreduce": "--max-bytes", "ddp": "--batch",
}  # fmt: skip


def whole(kernel, problem):
    fields = {k: v.copy() for k, v in cells.expected(kernel, problem).items()}
    if kernel == "stencil":
        fields = {k: v.astype(problem.dtype) for k, v in fields.items()}
    return {k: Box(tuple(slice(0, s) for s in v.shape), v) for k, v in fields.items()}


def valid(problem, parts):
    return all(c.valid for c in problem.check(problem.partial(parts)))


@pytest.mark.parametrize(("kernel", "problem"), CASES)
def test_right_fields_validate_and_one_wrong_element_does_not(kernel, problem):
    assert valid(problem, whole(kernel, problem))
    rng = np.random.default_rng(1)
    for name in whole(kernel, problem):
        for wrong in (1.0, -1.0, math.nan, math.inf):
            parts = whole(kernel, problem)
            array = parts[name].values
            array[tuple(rng.integers(0, s) for s in array.shape)] += wrong
            assert not valid(problem, parts), f"{name} off by {wrong} was not noticed"


def test_errors_that_cancel_are_noticed():
    problem = cells.problems("stencil", 1)[0]
    parts = whole("stencil", problem)
    parts["out"].values[5, 5] += 0.5
    parts["out"].values[5, 6] -= 0.5
    assert not valid(problem, parts)


def test_nan_is_never_valid():
    assert not Check("error", math.nan, 1.0).valid


def quarters(parts):
    """Return the fields as two by two members hold them, or two where there is one axis."""
    shape = next(iter(parts.values())).values.shape
    cuts = [(slice(0, s // 2), slice(s // 2, s)) for s in shape]
    places = [(a, b) for a in cuts[0] for b in cuts[1]] if len(cuts) > 1 else [(a,) for a in cuts[0]]
    return [{k: Box(where, box.values[where]) for k, box in parts.items()} for where in places]


@pytest.mark.parametrize(("kernel", "problem"), CASES)
def test_members_parts_combine_to_the_same_verdict(kernel, problem):
    parts = whole(kernel, problem)
    together = problem.check(problem.partial(parts))
    apart = problem.check(combined(map(problem.partial, quarters(parts))))
    assert [c.name for c in apart] == [c.name for c in together]
    assert [c.error for c in apart] == pytest.approx([c.error for c in together], abs=1e-6)
    assert all(c.valid for c in apart)


@pytest.mark.parametrize("kernel", registry.kernels())
def test_memory_is_at_least_what_the_fields_take(kernel):
    for problem in cells.problems(kernel, 1):
        made = registry.kernel_class("serial", kernel)(problem, Solo(), {})
        made.repeat(1)
        made.repeat(problem.iterations)
        assert problem.memory(1) >= sum(field.values.nbytes for field in made.fields().values())


def test_memory_of_a_group_holds_its_buffers():
    """48 columns on each of 6 ranks, and 2 buffers of 144 x 144 for the 3 ranks of a group."""
    how, problem = registry.runtime("mpishm"), Transpose(order=288)
    need = how.memory("transpose", problem, {"group-size": 3}, 6)
    assert need >= 8 * (2 * 48 * 288 + 2 * 144 * 144 / 3)


@pytest.mark.parametrize("kernel", SIZES)
def test_metrics_have_values_in_their_units(kernel):
    made = registry.problem_class(kernel)
    names = [m.name for m in made.metrics]
    assert names[0] == "rate"
    assert len(set(names)) == len(names)
    if kernel != "ddp":
        (problem,) = made(iterations=3).cases(2, 0)[-1:]
        found = problem.values(Measured(problem, 0.5, (), (), ()), 2)
        assert set(found) == set(names)
        unit = made.metrics[0].scale
        # The bus bandwidth of an allreduce on two members is that of the message.
        assert found["rate"] == pytest.approx(problem.work / 0.5 / unit)


@pytest.mark.parametrize(("kernel", "option"), SIZES.items())
def test_size_is_set_by(kernel, option):
    assert size_option(registry.problem_class(kernel)) == option


@pytest.mark.parametrize("kernel", registry.kernels())
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_smallest_is_small_and_accepted(kernel, size):
    problem = registry.problem_class(kernel)()
    try:
        problem.refuse(size)
    except Refusal:
        # It divides over a power of two members only.
        assert size & (size - 1)
        return
    small = problem.smallest(size)
    small.refuse(size)
    assert small.iterations == problem.multiple
    assert small.memory(size) <= problem.memory(size)


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_threads_that_have_something_to_do(size):
    assert Nstream(n=100).most_threads(size) == 100 // size
    assert Transpose(order=120).most_threads(size) == 120 // size
    assert SynchP2P(m=100).most_threads(size) == 100 // size
    rows = {1: 1, 2: 2, 5: 5, 12: 4}[size]
    assert Stencil(n=240, radius=4).most_threads(size) == 240 // rows // 4
    assert Allreduce().most_threads(size) is None


def test_single_precision_follows_rounding_and_still_tells_a_lost_halo():
    """A right run of n = 24000 had a mean 1.26e-4 off; a halo stale by a repetition is off by 0.1."""
    problem = Stencil(n=24000, dtype="float32", iterations=1)
    right = {"sum of out": 4.0 * 23992**2, "sum of in": (23999 + 2.0) * 24000**2}
    known = problem.partial(whole("stencil", cells.problems("stencil", 1)[0]))
    largest = type(known["out"])

    def checks(mean, out):
        found = {**right, "out": largest(out), "in": largest(0.0)}
        found["sum of out"] *= 1 + mean
        return all(c.valid for c in problem.check(found))

    assert checks(1.26e-4, 0.002)
    assert not checks(0.0, 0.1)
    assert not checks(1e-3, 0.002)
    # Where rounding is small, the mean is held as tightly as ever.
    small = {c.name: c.tolerance for c in Stencil(n=1000, dtype="float32").check({**known, **right})}
    assert small["relative error of mean |out|"] == 1e-4


def test_work_is_the_specification_s():
    assert Stencil(n=1000, radius=4).work == 35 * 992**2
    assert Stencil(n=100, radius=2, pattern="compact").work == 51 * 96**2
    assert SynchP2P(m=100, n=50).work == 2 * 99 * 49
    assert Transpose(order=100).work == 160_000
    assert Nstream(n=100).work == 3200


def test_reference_of_the_specification_s_corner():
    assert reference.synch_p2p(7, 9, 4)["A"][-1, -1] == 4 * (7 + 9 - 2)


@pytest.mark.parametrize("pattern", ["star", "compact"])
@pytest.mark.parametrize("radius", [1, 2, 4, 8])
def test_a_lost_halo_is_as_large_as_the_stencil_says(pattern, radius):
    """The row beside a stale halo misses all weights that reach into it."""
    made = Stencil(n=100, radius=radius, pattern=pattern)
    assert made.lost == pytest.approx(abs(loops.weights(pattern, radius)[:radius].sum()))


@pytest.mark.parametrize(
    ("given", "works"),
    [
        ({"dtype": "float32", "n": 1000, "iterations": 2000}, "use float64, or fewer iterations"),
        ({"dtype": "float32", "n": 200_000, "iterations": 10}, "use float64, or fewer iterations"),
        ({"n": 1000, "iterations": 100_000_000}, "use fewer iterations"),
    ],
)
def test_what_a_type_cannot_tell_is_refused(given, works):
    with pytest.raises(Refusal, match=works):
        Stencil(**given).refuse(2)


@pytest.mark.parametrize("given", [{"n": 24000, "iterations": 1}, {"n": 49152, "iterations": 10}])
def test_what_single_precision_can_tell_is_not_refused(given):
    Stencil(dtype="float32", **given).refuse(2)
