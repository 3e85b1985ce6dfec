"""The clock's contract with kernels: counts, conditions, laps, events, recovery, garbage."""

import gc
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from prk.check import Box, Check, Largest
from prk.kernel import Kernel
from prk.problem import Problem, parameter
from prk.run import timing
from prk.team import Solo


@dataclass(frozen=True, kw_only=True)
class Count(Problem):
    """Count repetitions."""

    title: ClassVar[str] = "counting"

    n: int = parameter(3, "how many numbers count", label="Numbers", size=True)

    @property
    def work(self):
        return self.n

    def partial(self, parts):
        return {"worst": Largest(float(abs(parts["a"].values - self.repetitions).max()))}

    def check(self, found):
        return [Check("largest error", found["worst"].value, 0.0)]


class OpenEnded(Count):
    open_ended = True


class Counting(Kernel):
    def setup(self):
        self.a, self.calls, self.collected = np.zeros(self.problem.n), [], []

    def repeat(self, count):
        self.calls.append(count)
        self.collected.append(gc.isenabled())
        super().repeat(count)

    def step(self):
        self.a += 1

    def fields(self):
        return {"a": Box((slice(0, self.a.size),), self.a)}


def measure(kind, problem):
    return timing.measure(lambda: kind(problem, Solo(), {}), Solo(), problem)


def right(kernel, sample, problem):
    from dataclasses import replace

    ran = replace(problem, iterations=sample.repetitions)
    return all(c.valid for c in ran.check(ran.partial(kernel.fields())))


def test_a_fixed_count_is_one_call_between_two_looks_at_the_clock():
    problem = Count(iterations=7)
    kernel, sample = measure(Counting, problem)
    assert kernel.calls == [1, 7]
    assert sample.repetitions == 7
    assert right(kernel, sample, problem)


def test_the_collector_is_off_while_the_clock_runs_and_on_again_after():
    kernel, _ = measure(Counting, Count())
    assert kernel.collected == [True, False]
    assert gc.isenabled()


def test_a_condition_ends_an_open_ended_run_before_its_limit():
    class Until(Counting):
        def finished(self):
            return self.a[0] >= 5

    problem = OpenEnded(iterations=100)
    kernel, sample = measure(Until, problem)
    # The warm-up counts in the answer, not in the timed repetitions.
    assert (sample.repetitions, kernel.a[0]) == (4, 5)
    assert right(kernel, sample, problem)


def test_an_open_ended_run_that_never_finishes_ends_at_its_limit():
    kernel, sample = measure(Counting, OpenEnded(iterations=6))
    assert (sample.repetitions, kernel.a[0]) == (6, 7)


def test_events_are_in_seconds_of_the_clock():
    class Noting(Counting):
        def step(self):
            super().step()
            time.sleep(0.01)
            self.note("step", int(self.a[0]))

    _, sample = measure(Noting, Count(iterations=2))
    assert [(e.name, e.value) for e in sample.events] == [("step", 1), ("step", 2), ("step", 3)]
    # The warm-up's comes before the clock starts.
    assert sample.events[0].seconds < 0 < sample.events[1].seconds < sample.events[2].seconds


def timed(laps):
    class Timed(Counting):
        def repeat(self, count):
            super().repeat(count)
            time.sleep(0.01)
            self.laps = [*self.laps, *laps(count)]

    return measure(Timed, Count(iterations=4))[1]


def test_laps_are_the_time_of_the_repetitions():
    sample = timed(lambda count: [0.001] * count)
    assert sample.laps == (0.001,) * 4
    assert sample.repetition == pytest.approx(0.001)


@pytest.mark.parametrize(
    "laps", [lambda count: [1.0] * count, lambda count: [0.001] * (count - 1), lambda count: [-0.001] * count]
)
def test_laps_that_cannot_be_true_are_an_error(laps):
    with pytest.raises(RuntimeError, match="cannot be true"):
        timed(laps)


def test_a_kernel_that_recovers_goes_on_from_what_it_saved():
    class Failing(Counting):
        failed = False

        def step(self):
            super().step()
            if self.a[0] == 3:
                self.saved = self.save()
            if self.a[0] == 5 and not self.failed:
                self.failed = True
                raise OSError("a rank is gone")

        def recover(self, comm, error):
            assert (comm, str(error)) == (self.comm, "a rank is gone")
            self.restore(self.saved, 3)
            self.note("recovered")
            return self, 3

    problem = Count(iterations=9)
    kernel, sample = measure(Failing, problem)
    assert kernel.failed
    assert kernel.calls == [1, 9, 7]
    assert right(kernel, sample, problem)


def test_a_kernel_that_cannot_recover_raises_the_error_again():
    class Broken(Counting):
        def step(self):
            raise OSError("a rank is gone")

    with pytest.raises(OSError, match="a rank is gone"):
        measure(Broken, Count())
