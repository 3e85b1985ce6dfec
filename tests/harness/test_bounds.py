"""What limits a point, in the unit of its metric."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from prk.cost import Cost
from prk.harness.analyse import rows
from prk.machine import bounds
from prk.machine.bounds import Machine
from prk.metric import Metric
from tests.harness.making import planned

# Of a core and of two: 10 and 16 GB/s, 20 and 40 GFlop/s; 1 us a message, 10 GB/s, 0.1 us in a stream.
# 10 and 15 million updates a second somewhere in memory, 10 ns an atomic one.
MACHINE = Machine(2, 10e9, 16e9, 20e9, 40e9, 1e-6, 1e10, 1e-7, 10e6, 15e6, 1e-7, 1e-8)
PAIR = {"ranks": 2, "nodes": 1, "ranks_per_node": 2, "threads": 1}
LATENCY = Metric("latency", "us", 1e-6, larger_is_better=False, kind="latency")


def close(bound, value, limit):
    """Tell whether a bound is of this value, and of this name."""
    return bound.value == pytest.approx(value) and bound.limit == limit


@pytest.mark.parametrize(
    ("cost", "seconds", "name"),
    [
        (Cost(bytes=16e9), 1.0, "memory bandwidth"),
        (Cost(flop=80e9, bytes=16e9), 2.0, "flop peak"),
        (Cost(bytes=16e6, messages=1e6), 0.1, "message rate"),
        (Cost(messages=1e3, message_bytes=1e10), 1.0, "message bandwidth"),
        (Cost(messages=1e6, chain=1e6), 1.0, "latency"),
        (Cost(bytes=16e6, updates=15e6), 1.0, "random updates"),
        (Cost(messages=1e5, atomics=1e8), 1.0, "atomic updates"),
    ],
)
def test_every_limit_is_named(cost, seconds, name):
    found = bounds.limit(cost, PAIR, False, MACHINE)
    assert (found.seconds, found.name) == (pytest.approx(seconds), name)


def test_messages_bound_nobody_who_sends_none():
    cost = Cost(messages=1e9, message_bytes=1e12, chain=1e9)
    alone = {**PAIR, "ranks": 1, "threads": 2}
    assert bounds.limit(cost, alone, False, MACHINE) is None
    assert bounds.limit(cost, PAIR, True, MACHINE) is None
    without_mpi = replace(MACHINE, latency=None, message_bandwidth=None, message_stream=None)
    assert bounds.limit(cost, PAIR, False, without_mpi) is None
    assert bounds.limit(Cost(), PAIR, False, MACHINE) is None


def test_cores_and_nodes_add_up_until_a_node_has_no_more():
    cost = Cost(bytes=16e9)
    one = {**PAIR, "ranks": 1}
    assert bounds.limit(cost, one, False, MACHINE).seconds == pytest.approx(1.6)
    assert bounds.limit(cost, {**PAIR, "ranks": 8}, False, MACHINE).seconds == pytest.approx(1.0)
    four = {"ranks": 8, "nodes": 4, "ranks_per_node": 2, "threads": 1}
    assert bounds.limit(cost, four, False, MACHINE).seconds == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("kernel", "ratio"), [("stencil", 35 / 32), ("synch_p2p", 2 / 16), ("transpose", 0.5), ("nstream", 1.0)]
)
def test_kernels_are_bounded_by_their_least_traffic(kernel, ratio):
    (point,) = planned({"kernel": kernel, "runtime": "serial"}).points
    found = rows.bound(point, MACHINE)
    assert found.value == pytest.approx(10e9 * ratio / 1e6, rel=0.02)
    fast = replace(MACHINE, core_bandwidth=1e18, bandwidth=1e18)
    limit = rows.bound(point, fast)
    if point.cost.flop:
        assert limit.limit == "flop peak"
    assert rows.bound(replace(point, cost=Cost()), MACHINE) is None


def test_a_bound_is_in_the_unit_of_the_first_metric():
    (point,) = planned({"kernel": "nstream", "runtime": "mpi1", "ranks": 2}).points
    updates = Metric("update rate", "GUPS", 1e9)
    point = replace(point, work=2e9, cost=Cost(bytes=32e9), metrics=(updates,))
    assert close(rows.bound(point, MACHINE), 1.0, "memory bandwidth")
    # Eight waits for one another of 1 us each, in microseconds.
    point = replace(point, work=1, cost=Cost(messages=8, chain=8), metrics=(LATENCY,))
    assert close(rows.bound(point, MACHINE), 8.0, "latency")
    quality = Metric("accuracy", "", kind="quality")
    assert rows.bound(replace(point, metrics=(quality,)), MACHINE) is None


def test_machines_of_all_schemas_are_read(tmp_path):
    path = tmp_path / "machine.json"
    words: dict[str, Any] = dict.fromkeys(("core_updates", "updates", "chase", "atomic"))
    for schema, absent in ((2, words), (1, {**words, "message_stream": None})):
        older = {k: v for k, v in asdict(MACHINE).items() if k not in absent}
        path.write_text(json.dumps({"schema": schema, "bounds": older}))
        found = bounds.read(path)
        assert found == replace(MACHINE, **absent)
        assert "None" not in bounds.text(found)
    path.write_text(json.dumps({"schema": 3, "bounds": asdict(MACHINE)}))
    assert bounds.read(path) == MACHINE
    assert "0.100 us each" in bounds.text(MACHINE)
