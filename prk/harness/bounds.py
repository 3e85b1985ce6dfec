"""The bound that limits each kernel, from what a machine was measured to do."""

import json
from dataclasses import dataclass
from pathlib import Path

from prk.harness.plan import Point
from prk.problem import Refusal

VERSION = 1


@dataclass(frozen=True)
class Machine:
    """A node's measured bounds: bytes and flop a second of a core and of all, messages of two ranks."""

    cores: int
    core_bandwidth: float
    bandwidth: float
    core_flops: float
    flops: float
    # None where there is no MPI.
    latency: float | None
    message_bandwidth: float | None


@dataclass(frozen=True)
class Bound:
    """The most that a point can reach, in its own unit, and what limits it."""

    rate: float
    limit: str


def bound(point: Point, machine: Machine) -> Bound | None:
    """Return the lower of the memory's and the arithmetic's bound for the point's cores and nodes.

    None where neither bounds it: a kernel without traffic to memory measures messages.

    Memory: every byte of the least traffic of a repetition at Nstream's bandwidth. So the star of r = 4
    has 35 flop to 32 bytes, Synch_p2p 2 to 16, and Transpose counts 16 of its 32.
    """
    if not point.traffic:
        return None
    nodes = point.layout["nodes"]
    each = min(-(-point.cores // nodes), machine.cores)
    memory = nodes * shared(each, machine.cores, machine.core_bandwidth, machine.bandwidth)
    by_memory = memory * point.work / point.traffic / 1e6
    arithmetic = nodes * shared(each, machine.cores, machine.core_flops, machine.flops) / 1e6
    if point.unit == "MFlops/s" and arithmetic < by_memory:
        return Bound(arithmetic, "flop peak")
    return Bound(by_memory, "memory bandwidth")


def shared(cores: int, of: int, one: float, all_of_them: float) -> float:
    """Return what some cores of a node get: as one core gets alone, until the node has no more."""
    return all_of_them if cores >= of else min(cores * one, max(one, all_of_them))


def read(path: Path) -> Machine | None:
    """Return the machine that was measured, or None if none was. Raises Refusal for a file that is none."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Refusal(str(path), f"cannot be read ({error})", "remove it, and measure again") from None
    try:
        if found["schema"] != VERSION:
            raise Refusal(
                str(path), f"has schema {found['schema']}, this prk reads {VERSION}", "measure again"
            )
        return Machine(**found["bounds"])
    except (KeyError, TypeError) as error:
        raise Refusal(str(path), f"is no machine record ({error})", "remove it, and measure again") from None
