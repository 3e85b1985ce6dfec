"""What makes two launches repeats of one point, and what a point is called. Pure."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from prk.problem import Problem
from prk.run.faults import options as faults
from prk.runtime import Runtime

SORTED = json.JSONEncoder(sort_keys=True)
MISSING = object()


def point_id(
    kernel: str,
    problem: Problem,
    runtime: str,
    how: Runtime | None,
    options: Mapping[str, Any],
    layout: Mapping[str, Any],
) -> str:
    """Return the hash of what repeats have in common; `how` is None for a program of others.

    Parameters and options at the default that they were introduced with are left out: what is added to a
    kernel later leaves the points of older results as they were.
    """
    from hashlib import sha256

    named: dict[str, Any] = {
        "kernel": kernel,
        "version": problem.version,
        "runtime": runtime,
        "parameters": _without(problem.parameters(), problem.introduced()),
        "options": _without(options, _usual(how, kernel) if how else {}),
        "layout": dict(layout),
    }
    return sha256(SORTED.encode(named).encode()).hexdigest()[:16]


@cache
def _usual(how: Runtime, kernel: str) -> dict[str, Any]:
    """Return the defaults that a runtime's options were introduced with."""
    return {o.name: o.first for o in faults.of(how, kernel)}


def _without(given: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in given.items() if usual.get(k, MISSING) != v}


def launch_name(point: str, repeat: int) -> str:
    """Return the name, without ending, of everything that is kept of one launch."""
    return f"{point}-{repeat:03d}"


def launch_of(name: str) -> tuple[str, int]:
    """Return point and repeat of a launch's name. Raises ValueError if it is none."""
    point, _, repeat = name.partition("-")
    if not repeat.isdigit():
        raise ValueError(f"{name!r} is no name of a launch")
    return point, int(repeat)


def variant(how: Runtime, kernel: str, options: Mapping[str, Any]) -> str:
    """Return the label of the options that differ from the runtime's defaults; empty for the standard run.

    How many workers compute is no variant: the layout says it.
    """
    defaults = {o.name: o.default for o in faults.of(how, kernel)}
    return ",".join(
        f"{k}={v}" for k, v in sorted(options.items()) if v != defaults.get(k) and k != how.count_option
    )
