"""The answer: a member's fields, what is left of them for all members together, and the verdict."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np


class Box(NamedTuple):
    """A field that is a box of a whole array: where it lies (a slice an axis), and its values."""

    where: tuple[slice, ...]
    values: np.ndarray


class Keyed(NamedTuple):
    """A field whose elements carry their own names: keys (n,), unique over the team, and values (n, ...)."""

    keys: np.ndarray
    values: np.ndarray


Field = Box | Keyed
# An audit's data: doubles in [0.5, 1.5) for a box of the whole field called so, wherever it lies.
Fresh = Callable[[str, tuple[slice, ...]], np.ndarray]
Fields = Mapping[str, Field]
# A member's share of the check, by name: anything that `+` combines. Numbers add up.
Partial = Mapping[str, Any]


@dataclass(frozen=True)
class Largest:
    """A partial result of which the largest counts; a NaN anywhere stays one."""

    value: float

    def __add__(self, other: "Largest") -> "Largest":
        return Largest(float(np.maximum(self.value, other.value)))


@dataclass(frozen=True)
class Smallest:
    """A partial result of which the smallest counts; a NaN anywhere stays one."""

    value: float

    def __add__(self, other: "Smallest") -> "Smallest":
        return Smallest(float(np.minimum(self.value, other.value)))


@dataclass(frozen=True)
class Xor:
    """A partial result of 64-bit words that is combined by exclusive or."""

    value: int

    def __add__(self, other: "Xor") -> "Xor":
        return Xor(self.value ^ other.value)


@dataclass(frozen=True)
class Check:
    """One criterion of the check; a NaN is never valid."""

    name: str
    error: float
    tolerance: float

    @property
    def valid(self) -> bool:
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Target:
    """What a right run was to reach besides being right, and what it reached (None: nothing)."""

    name: str
    wanted: float
    reached: float | None
    larger_is_better: bool = True

    @property
    def met(self) -> bool:
        if self.reached is None:
            return False
        return self.reached >= self.wanted if self.larger_is_better else self.reached <= self.wanted


def combined(partials: Iterable[Partial]) -> dict[str, Any]:
    """Return all members' partial results as one, name by name."""
    return reduce(lambda a, b: {name: a[name] + b[name] for name in a}, map(dict, partials))


def rows_at_a_time(array: np.ndarray, budget: int = 1 << 20) -> Iterable[slice]:
    """Yield slices of rows of about `budget` bytes, so that a check needs no array of its own size."""
    step = max(1, budget // max(1, array[:1].nbytes))
    return (slice(i, min(i + step, len(array))) for i in range(0, len(array), step))


def max_or_nan(so_far: float, errors: np.ndarray) -> float:
    """Return the larger of `so_far` and the largest error; a NaN anywhere stays one."""
    return float(np.maximum(so_far, errors.max(initial=0.0)))
