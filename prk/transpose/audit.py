"""Transpose on an audit's data: K repetitions at once, B + K A^T + K (K - 1) / 2, in plain NumPy."""

import numpy as np

from prk.check import Fresh
from prk.transpose.problem import Transpose


def expected(
    problem: Transpose, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of a field, [column, row], after `count` repetitions of fresh data."""
    found = fresh(name, where)
    if name == "A":
        return found + count
    return found + (count * fresh("A", where[::-1]).T + count * (count - 1) / 2)
