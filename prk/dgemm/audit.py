"""DGEMM on an audit's data: C + K A B, in plain NumPy; A and B stay as they are."""

import numpy as np

from prk.check import Fresh
from prk.dgemm.problem import Dgemm

# Columns of A and rows of B that are there at once.
DEPTH = 256


def expected(
    problem: Dgemm, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of a matrix after `count` repetitions of fresh data."""
    found = fresh(name, where)
    if name == "C":
        rows, columns = where
        for first in range(0, problem.order, DEPTH):
            k = slice(first, min(first + DEPTH, problem.order))
            found += count * (fresh("A", (rows, k)) @ fresh("B", (k, columns)))
    return found
