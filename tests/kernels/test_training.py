"""What training has besides: gradients that add up, fewer bits, shards, check-points, devices."""

import numpy as np
import pytest

from prk.ddp import serial
from prk.ddp.problem import Ddp
from prk.problem import Refusal
from prk.team import Solo


def trained(steps=6, **given):
    """Return a kernel of one process that has trained so many steps."""
    one = serial.Kernel(Ddp(iterations=steps - 1, **given), Solo(), {})
    one.repeat(steps)
    return one


def checks(one):
    """Return a single process's checks by name."""
    return {c.name: c for c in one.problem.check(one.problem.partial(one.fields()))}


@pytest.mark.parametrize("name", ["digits", "recommendation"])
def test_gradients_that_add_up_are_those_of_the_whole_batch(name):
    given = {"workload": name, "batch": 60, "learning_rate": 0.01}
    whole, added = trained(**given), trained(accumulate=5, **given)
    assert all(c.valid for c in checks(added).values())
    assert added.losses == pytest.approx(whole.losses, rel=1e-5)
    assert np.abs(added.flat() - whole.flat()).max() < 1e-4 * np.abs(whole.flat()).max()


def test_a_micro_batch_that_counts_twice_is_noticed(monkeypatch):
    batches = serial.Kernel.batches
    monkeypatch.setattr(serial.Kernel, "batches", lambda self, step: [batches(self, step)[0]] * 3)
    assert not all(c.valid for c in checks(trained(batch=60, accumulate=3)).values())


def test_a_batch_that_has_no_such_micro_batches_is_refused():
    with pytest.raises(Refusal, match="2 ranks with 5 micro-batches each; use 60 or 70"):
        Ddp(accumulate=5).refuse(2)
