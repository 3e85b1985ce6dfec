"""Records of older schemas as records of today's: one step a version. Pure."""

from collections.abc import Callable
from typing import Any

from prk.records import placement

VERSION = 2


def current(given: Any) -> dict[str, Any]:
    """Return a record in today's schema. Raises ValueError saying what is wrong with it."""
    if not isinstance(given, dict) or "schema" not in given:
        raise ValueError("is no record")
    found: dict[str, Any] = given
    try:
        while found["schema"] in STEPS:
            found = STEPS[found["schema"]](found)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"lacks what a record has ({type(error).__name__}: {error})") from None
    if found["schema"] != VERSION:
        raise ValueError(f"has schema {found['schema']}, and this prk reads 1 to {VERSION}")
    return found


def _from_1(old: dict[str, Any]) -> dict[str, Any]:
    """Make a metric of the only rate there was, and list the placement by host."""
    new = {k: v for k, v in old.items() if k not in ("unit", "rate")}
    scale = scale_of_1(old["unit"])
    # No rate was stated unless the answer was right.
    right = old["samples"] if old["status"] == "ok" else []
    rates = [old["work"] / s["max"] / scale for s in right]
    about = {"unit": old["unit"], "scale": scale, "larger_is_better": True, "kind": "throughput"}
    return {
        **new,
        "schema": 2,
        "version": 1,
        "metrics": {"rate": {**about, "values": rates}},
        "cost": {},
        "placement": placement.compact(old["placement"]),
    }


def scale_of_1(unit: str) -> float:
    """Return what a unit of schema 1 counted in: millions, if its name began so."""
    return 1e6 if unit.startswith("M") else 1.0


STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
