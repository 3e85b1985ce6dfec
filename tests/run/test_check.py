"""Partial results of any type that combines, fields with keys, targets."""

import math

import numpy as np
import pytest

from prk.check import Check, Keyed, Largest, Smallest, Target, Xor, combined


def test_partial_results_combine_by_name_whatever_their_type():
    members = [
        {"sum": 1.5, "worst": Largest(0.1), "least": Smallest(3.0), "words": Xor(0b1100), "lost": {1}},
        {"sum": 2.0, "worst": Largest(0.3), "least": Smallest(2.0), "words": Xor(0b1010), "lost": set()},
    ]
    whole = combined({**m, "lost": _Union(m["lost"])} for m in members)
    assert whole == {
        "sum": 3.5, "worst": Largest(0.3), "least": Smallest(2.0), "words": Xor(0b0110), "lost": _Union({1}),
    }  # fmt: skip


class _Union:
    def __init__(self, items):
        self.items = set(items)

    def __add__(self, other):
        return _Union(self.items | other.items)

    def __eq__(self, other):
        return self.items == other.items


@pytest.mark.parametrize("order", [(math.nan, 1.0), (1.0, math.nan)])
def test_a_nan_of_one_member_spoils_the_answer(order):
    first, second = order
    assert math.isnan((Largest(first) + Largest(second)).value)
    assert math.isnan((Smallest(first) + Smallest(second)).value)
    assert not Check("error", (Largest(first) + Largest(second)).value, 1.0).valid


def test_keyed_fields_hold_what_is_no_box_of_an_array():
    field = Keyed(np.array([7, 3]), np.array([[0.5, 1.0], [2.0, 3.0]]))
    assert field.values[field.keys == 3].tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize(
    ("reached", "larger", "met"),
    [(0.93, True, True), (0.91, True, False), (None, True, False), (3.0, False, False), (0.5, False, True)],
)
def test_a_target_is_met_in_the_direction_that_counts(reached, larger, met):
    assert Target("quality", 0.92, reached, larger).met is met
