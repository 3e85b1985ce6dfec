"""Fields in pieces: what a member has of a copy, what another one needs, and who sends what to whom. Pure."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from prk.check import Box, Fields

# Half-open ranges, one an axis.
Bounds = tuple[tuple[int, int], ...]
# A field's name, and a box of it.
Place = tuple[str, Bounds]
Pieces = Mapping[Place, np.ndarray]


class Transfer(NamedTuple):
    """A box of a piece that goes from one rank to another, which may be the same one."""

    source: int
    to: int
    place: Place
    bounds: Bounds


class Gone(Exception):
    """A part of the state that nobody has any more."""


def of(fields: Fields) -> dict[Place, np.ndarray]:
    """Return a member's fields as pieces; they are no copies."""
    found = {}
    for name, field in fields.items():
        assert isinstance(field, Box)
        found[name, tuple((int(w.start), int(w.stop)) for w in field.where)] = field.values
    return found


def transfers(offers: Sequence[Sequence[Place]], wants: Sequence[Sequence[Place]]) -> list[Transfer]:
    """Return who sends what to whom so that each rank has what it wants, equal on all.

    offers, wants: of each rank. Pieces of one copy do not overlap unless they are the same; of several ranks
    that have it, each serves itself, and the first one the others. Raises Gone if something is missing.
    """
    having: dict[Place, list[int]] = {}
    for rank, places in enumerate(offers):
        for place in places:
            having.setdefault(place, []).append(rank)
    found = []
    for to, places in enumerate(wants):
        for name, bounds in places:
            missing = prod(b - a for a, b in bounds)
            for place, ranks in having.items():
                common = overlap(place[1], bounds) if place[0] == name else None
                if common:
                    found.append(Transfer(to if to in ranks else ranks[0], to, place, common))
                    missing -= prod(b - a for a, b in common)
            if missing:
                raise Gone(f"{missing} elements of {name}")
    return found


def overlap(a: Bounds, b: Bounds) -> Bounds | None:
    """Return what two boxes have in common, or None."""
    common = tuple((max(p[0], q[0]), min(p[1], q[1])) for p, q in zip(a, b, strict=True))
    return common if all(start < stop for start, stop in common) else None


def within(bounds: Bounds, outer: Bounds) -> tuple[slice, ...]:
    """Return where a box lies in the array of an outer one."""
    return tuple(slice(a - o, b - o) for (a, b), (o, _) in zip(bounds, outer, strict=True))
