"""Where the members of a run were, in few lines however many they are. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any


def compact(members: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the members (host and cpus of each, by rank) as hosts that are filled alike.

    A row holds the first rank on each of its hosts, and for each set of cpus the ranks on it, counted from
    that first one.
    """
    hosts: dict[str, dict[str, list[int]]] = {}
    for rank, member in enumerate(members):
        hosts.setdefault(member["host"], {}).setdefault(ranges(member["cpus"]), []).append(rank)
    alike: dict[tuple[tuple[str, str], ...], dict[str, int]] = {}
    for host, cpus in hosts.items():
        first = min(ranks[0] for ranks in cpus.values())
        pattern = tuple((name, ranges([r - first for r in ranks])) for name, ranks in cpus.items())
        alike.setdefault(pattern, {})[host] = first
    return [{"hosts": first, "cpus": dict(pattern)} for pattern, first in alike.items()]


def hosts(placement: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of all hosts, in the order of their ranks."""
    first = {host: rank for row in placement for host, rank in row["hosts"].items()}
    return sorted(first, key=lambda host: first[host])


def members(placement: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return host and cpus of each member by rank: what `compact` was given."""
    found: dict[int, dict[str, Any]] = {}
    for row in placement:
        for host, first in row["hosts"].items():
            for cpus, ranks in row["cpus"].items():
                for rank in numbers(ranks):
                    found[first + rank] = {"host": host, "cpus": numbers(cpus)}
    return [found[rank] for rank in sorted(found)]


def ranges(ordered: Iterable[int]) -> str:
    """Return increasing numbers as ranges, as: 0-3,8,10-11."""
    runs = groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0])
    found = []
    for _, run in runs:
        values = [value for _, value in run]
        found.append(f"{values[0]}" if len(values) == 1 else f"{values[0]}-{values[-1]}")
    return ",".join(found)


def numbers(text: str) -> list[int]:
    """Return the numbers of ranges."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
