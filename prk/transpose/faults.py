"""Transpose's state between two repetitions, which are its fields alone: what they are is known."""

import numpy as np

from prk.transpose.problem import Transpose


def known(problem: Transpose, name: str, where: tuple[slice, ...], count: int) -> np.ndarray:
    """Return a box of a field, whose first index is the column, after `count` repetitions."""
    n = problem.order
    column, row = np.ogrid[where]
    if name == "A":
        return np.asarray(row + n * column + count, float)
    return (n * row + column) * float(count) + count * (count - 1) / 2
