"""What a machine was measured to do, and the least time that it leaves a repetition."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prk.cost import Cost
from prk.problem import Refusal

VERSION = 4


@dataclass(frozen=True)
class Machine:
    """A node's measured bounds: bytes and flop a second of a core and of all, messages of two ranks."""

    cores: int
    core_bandwidth: float
    bandwidth: float
    core_flops: float
    flops: float
    # Seconds of one small message that is waited for, bytes a second of large ones, and seconds of a small
    # one in a stream of them; None where there is no MPI, or where the record is older than the figure.
    latency: float | None
    message_bandwidth: float | None
    message_stream: float | None = None
    # Updates a second of words somewhere in memory, of a core and of all; seconds of a load that waits for
    # the one before, and of an atomic update of a word that nobody else wants; None in older records.
    core_updates: float | None = None
    updates: float | None = None
    chase: float | None = None
    atomic: float | None = None


@dataclass(frozen=True)
class Limit:
    """The least seconds of a repetition, and what it waits for."""

    seconds: float
    name: str


def limit(cost: Cost, layout: Mapping[str, int], shared: bool, machine: Machine) -> Limit | None:
    """Return what limits a repetition on a layout most, or None if nothing that was measured does.

    Memory: all bytes at the best bandwidth that was found on the cores used. So the star of r = 4 has 35 flop
    to 32 bytes, Synch_p2p 2 to 16, and Transpose counts 16 of its 32. Messages are those of the busiest
    member; they bound nothing where there is one member or where memory is shared, and a node's own figures
    stand for those between nodes.
    """
    nodes = layout["nodes"]
    each = min(-(-layout["ranks"] * layout["threads"] // nodes), machine.cores)
    memory = nodes * used(each, machine.cores, machine.core_bandwidth, machine.bandwidth)
    arithmetic = nodes * used(each, machine.cores, machine.core_flops, machine.flops)
    found = [
        Limit(cost.bytes / memory, "memory bandwidth"),
        Limit(cost.flop / arithmetic, "flop peak"),
    ]
    if machine.core_updates is not None and machine.updates is not None:
        updates = nodes * used(each, machine.cores, machine.core_updates, machine.updates)
        found.append(Limit(cost.updates / updates, "random updates"))
    if machine.atomic is not None:
        found.append(Limit(cost.atomics * machine.atomic, "atomic updates"))
    if layout["ranks"] > 1 and not shared:
        found += _of_messages(cost, machine)
    worst = max(found, key=lambda one: one.seconds)
    return worst if worst.seconds > 0 else None


def _of_messages(cost: Cost, machine: Machine) -> list[Limit]:
    found = []
    if machine.message_stream is not None:
        found.append(Limit(cost.messages * machine.message_stream, "message rate"))
    if machine.message_bandwidth is not None:
        found.append(Limit(cost.message_bytes / machine.message_bandwidth, "message bandwidth"))
    if machine.latency is not None:
        found.append(Limit(cost.chain * machine.latency, "latency"))
    return found


def used(cores: int, of: int, one: float, all_of_them: float) -> float:
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
        # Older ones lack figures, which are None then.
        if found["schema"] not in range(1, VERSION + 1):
            raise Refusal(
                str(path), f"has schema {found['schema']}, this prk reads 1 to {VERSION}", "measure again"
            )
        return Machine(**found["bounds"])
    except (KeyError, TypeError) as error:
        raise Refusal(str(path), f"is no machine record ({error})", "remove it, and measure again") from None


def text(found: Machine) -> str:
    """Return the bounds as lines."""
    return "\n".join(f"{name:<28}{value}" for name, value in named(found))


def named(found: Machine) -> list[tuple[str, str]]:
    """Return the bounds by name, with units."""
    table: list[tuple[str, Any]] = [
        ("Memory, one core", f"{found.core_bandwidth / 1e9:.1f} GB/s"),
        (f"Memory, {found.cores} cores", f"{found.bandwidth / 1e9:.1f} GB/s"),
        ("Flop peak, one core", f"{found.core_flops / 1e9:.1f} GFlop/s"),
        (f"Flop peak, {found.cores} cores", f"{found.flops / 1e9:.1f} GFlop/s"),
    ]
    if found.latency is not None:
        table.append(("Message of 8 bytes", f"{found.latency * 1e6:.2f} us"))
    if found.message_stream is not None:
        table.append(("Messages of 8 B, streamed", f"{found.message_stream * 1e6:.3f} us each"))
    if found.message_bandwidth is not None:
        table.append(("Messages of 4 MiB", f"{found.message_bandwidth / 1e9:.1f} GB/s"))
    if found.core_updates is not None and found.updates is not None:
        table.append(("Random updates, one core", f"{found.core_updates / 1e6:.0f} M/s"))
        table.append((f"Random updates, {found.cores} cores", f"{found.updates / 1e6:.0f} M/s"))
    if found.chase is not None:
        table.append(("Load that waits for a load", f"{found.chase * 1e9:.0f} ns"))
    if found.atomic is not None:
        table.append(("Atomic update", f"{found.atomic * 1e9:.1f} ns"))
    return table
