"""What Grappa's model refuses, and what it says that it sends: pure."""

from typing import Any

import pytest

from prk.problem import Refusal
from prk.run import registry
from prk.runtime import Sent
from prk.runtimes import grappa
from tests.launch import kernel, own_lines


def said(name, size=3, rank=0, aggregate=64, deadline=0, **parameters):
    made: Any = registry.problem_class(name)
    options = {"aggregate": aggregate, "deadline": deadline}
    how = registry.runtime("grappa")
    how.refuse(name, made(**parameters), options, size)
    return how.messages(name, made(**parameters), options, size, rank)


def test_messages_are_full_or_end_a_phase():
    # A block has 16 elements.
    for aggregate, messages in ((1, 34), (7, 6), (16, 4), (17, 2)):
        assert said("transpose", aggregate=aggregate, order=12) == Sent(messages, 8 * messages + 16 * 32)
    assert said("synch_p2p", aggregate=10, m=31, n=23) == Sent(3, 8 * 3 + 16 * 22)
    assert said("synch_p2p", rank=2, m=31, n=23) == Sent(1, 24)
    # Two neighbours: an edge and a word for each.
    assert said("stencil", rank=1, n=30, radius=2) == Sent(2, 16 + 2 * 16 * (60 + 1))
    # With a deadline it depends on the time.
    assert said("transpose", order=12, deadline=5) is None


@pytest.mark.parametrize(
    ("wrong", "option", "remedy"),
    [
        ({"aggregate": 0}, "--aggregate", "use 1 to"),
        ({"aggregate": grappa.BUFFER + 1}, "--aggregate", f"use 1 to {grappa.BUFFER}"),
        ({"deadline": -1}, "--deadline", "use 0"),
    ],
)
def test_what_makes_no_message_is_refused(wrong, option, remedy):
    with pytest.raises(Refusal) as refused:
        said("transpose", order=12, **wrong)
    assert str(refused.value).startswith(option)
    assert remedy in str(refused.value)


def test_an_aggregation_larger_than_its_buffers_is_refused_in_one_line():
    done = kernel("transpose", "--order", 12, "--aggregate", 1 << 20, size=2, on="grappa")
    assert done.returncode == 2
    (line,) = own_lines(done)
    assert "a buffer holds" in line
