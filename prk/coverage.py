"""Whether the members' fields make up the whole: every element once, in the type that was asked for.

Only where fields lie and what they look like is combined, never their values.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from prk.check import Box, Check, Field, Fields, Keyed, Partial, combined
from prk.team import Team

MASK = 2**64 - 1


class Owners:
    """How often each element of an array is owned, as the corners of its owners' boxes; combined by `+`.

    A corner counts +1 where a box begins on an even number of axes' ends, else -1: that is the mixed
    difference of the number of owners, which two distributions have in common only if they own the same.
    """

    def __init__(self, corners: Mapping[tuple[int, ...], int]):
        self.corners = {corner: count for corner, count in corners.items() if count}

    @staticmethod
    def of(start: tuple[int, ...], stop: tuple[int, ...]) -> "Owners":
        """Return those of one box; an empty one owns nothing."""
        found: Counter[tuple[int, ...]] = Counter()
        for ends in product((0, 1), repeat=len(start)):
            corner = tuple(b if end else a for a, b, end in zip(start, stop, ends, strict=True))
            found[corner] += (-1) ** sum(ends)
        return Owners(found)

    def __add__(self, other: "Owners") -> "Owners":
        found = Counter(self.corners)
        for corner, count in other.corners.items():
            found[corner] += count
        return Owners(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Owners) and self.corners == other.corners

    def __hash__(self) -> int:
        return hash(frozenset(self.corners.items()))


@dataclass(frozen=True)
class Keys:
    """How many keys there are, with their sum and the sum of their squares modulo 2^64; combined by `+`."""

    count: int
    total: int
    squares: int

    @staticmethod
    def of(keys: np.ndarray) -> "Keys":
        words = keys.astype(np.uint64)
        return Keys(keys.size, int(words.sum()), int((words * words).sum()))

    @staticmethod
    def upto(n: int) -> "Keys":
        """Return those of the keys 0 to n - 1."""
        return Keys(n, n * (n - 1) // 2 & MASK, (n - 1) * n * (2 * n - 1) // 6 & MASK)

    def __add__(self, other: "Keys") -> "Keys":
        return Keys(
            self.count + other.count, self.total + other.total & MASK, self.squares + other.squares & MASK
        )


@dataclass(frozen=True)
class Said:
    """How many members say that something is wrong, and what the first of them says; combined by `+`."""

    count: int
    first: str

    @staticmethod
    def of(several: Iterable[str]) -> "Said":
        said = list(several)
        return Said(len(said), said[0] if said else "")

    def __add__(self, other: "Said") -> "Said":
        return Said(self.count + other.count, self.first or other.first)

    def __str__(self) -> str:
        return self.first


@dataclass(frozen=True)
class Whole:
    """What all members' fields of one name are together.

    shape: of the array whose boxes they are; or (n,) of elements that are keyed 0 to n - 1.
    """

    shape: tuple[int, ...]
    dtype: str = "float64"
    keyed: bool = False

    def all(self) -> Owners | Keys:
        """Return what all members together must own."""
        if self.keyed:
            return Keys.upto(self.shape[0])
        return Owners.of((0,) * len(self.shape), self.shape)

    def nothing(self) -> Field:
        """Return a field of which nothing is owned."""
        empty = np.empty((0,) * len(self.shape), self.dtype)
        if self.keyed:
            return Keyed(np.empty(0, np.int64), empty)
        return Box((slice(0, 0),) * len(self.shape), empty)


def partial(fields: Fields, wholes: Mapping[str, Whole]) -> Partial:
    """Return a member's part of the coverage: what it owns of each field, and what is wrong with that."""
    found: dict[str, Any] = {"unknown": Said.of(name for name in fields if name not in wholes)}
    for name, whole in wholes.items():
        field = fields.get(name)
        why = "is missing" if field is None else wrong(field, whole)
        found[f"{name} is wrong"] = Said.of([why] if why else [])
        found[f"{name} is owned"] = owned(field if field is not None and not why else whole.nothing())
    return found


def check(found: Partial, wholes: Mapping[str, Whole]) -> list[Check]:
    """Return the criteria that are not met: fields as they must be, each of whose elements has one owner."""
    unknown: Said = found["unknown"]
    checks = [Check(f"fields that the problem does not know ({unknown})", unknown.count, 0.0)]
    for name, whole in wholes.items():
        said: Said = found[f"{name} is wrong"]
        checks.append(Check(f"members whose {name} is no part of the whole ({said})", said.count, 0.0))
        same = found[f"{name} is owned"] == whole.all()
        checks.append(Check(f"elements of {name} with no owner or several", float(not same), 0.0))
    return [c for c in checks if not c.valid]


def agreed(fields: Fields, wholes: Mapping[str, Whole], team: Team) -> list[Check]:
    """Return what `check` says of all members' fields, on each of them. Collective."""
    covered = team.gather(partial(fields, wholes))
    wrong: list[Check] = team.bcast(check(combined(covered), wholes) if team.rank == 0 and covered else None)
    return wrong


def owned(field: Field) -> Owners | Keys:
    """Return what a member owns of a field."""
    if isinstance(field, Keyed):
        return Keys.of(field.keys)
    return Owners.of(*bounds(field))


def bounds(field: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where a box begins and where it ends."""
    return tuple(int(w.start) for w in field.where), tuple(int(w.stop) for w in field.where)


def wrong(field: Field, whole: Whole) -> str:
    """Say what is wrong with a field in itself, or nothing."""
    values = field.values
    if isinstance(field, Keyed) != whole.keyed:
        return f"is {'keyed' if isinstance(field, Keyed) else 'a box'}"
    if values.dtype != np.dtype(whole.dtype):
        return f"is {values.dtype}, not {whole.dtype}"
    if isinstance(field, Keyed):
        if field.keys.ndim != 1 or len(values) != field.keys.size:
            return f"has {field.keys.size} keys for {len(values)} values"
    else:
        start, stop = bounds(field)
        inside = len(start) == len(whole.shape) and all(
            0 <= a <= b <= n for a, b, n in zip(start, stop, whole.shape, strict=True)
        )
        if not inside or values.shape != tuple(b - a for a, b in zip(start, stop, strict=True)):
            return f"has shape {values.shape} from {start} to {stop} of {whole.shape}"
    if values.size and any(s == 0 and n > 1 for s, n in zip(values.strides, values.shape, strict=True)):
        return "repeats an element instead of holding all"
    return ""
