"""Nstream on an audit's data: a + K (b + 3 c), in plain NumPy; b and c stay as they are."""

import numpy as np

from prk.check import Fresh
from prk.nstream.problem import Nstream


def expected(
    problem: Nstream, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of a vector after `count` repetitions of fresh data."""
    found = fresh(name, where)
    if name == "a":
        found += count * (fresh("b", where) + 3 * fresh("c", where))
    return found
