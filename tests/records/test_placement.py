"""Where members were: compact, exact, and small for the largest runs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prk.records import placement


@given(st.lists(st.tuples(st.sampled_from("abc"), st.frozensets(st.integers(0, 70), max_size=6)), min_size=1))
def test_nothing_is_lost(members):
    given_ = [{"host": host, "cpus": sorted(cpus)} for host, cpus in members]
    assert placement.members(placement.compact(given_)) == given_


@given(st.frozensets(st.integers(0, 300)))
def test_ranges_and_numbers_are_inverse(numbers):
    assert placement.numbers(placement.ranges(sorted(numbers))) == sorted(numbers)


def member(host, cpus):
    return {"host": f"nid{host:05d}", "cpus": list(cpus)}


LARGE = {
    # 512 nodes of 24 ranks: bound to a core with two hardware threads each, and not bound at all.
    "bound": ([member(r // 24, (r % 24, r % 24 + 24)) for r in range(12288)], 300_000),
    "unbound": ([member(r // 24, range(48)) for r in range(12288)], 300_000),
    # Ranks dealt out one to a node.
    "cyclic": ([member(r % 512, (r // 512,)) for r in range(12288)], 300_000),
    # 16 chares on each of 23 processing elements of 512 nodes.
    "chares": ([member(c // 368, (c % 368 // 16,)) for c in range(188416)], 1_000_000),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_runs_take_little_room(name):
    members, limit = LARGE[name]
    found = placement.compact(members)
    assert len(json.dumps(found, indent=1)) < limit / 4
    assert placement.members(found) == members
    assert placement.hosts(found) == sorted({m["host"] for m in members})
