"""Adaptive on an audit's data: the pattern stays, with other values that single precision holds."""

import numpy as np

from prk.adaptive.problem import Adaptive
from prk.check import Fresh


def expected(
    problem: Adaptive, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of a field after `count` repetitions of fresh data."""
    if name == "vector":
        return fresh(name, where) + count
    if name == "matrix":
        rows, *inside = where
        return np.stack([_row(problem, fresh, row)[*inside] for row in range(rows.start, rows.stop)])
    found, m = fresh(name, where), problem.matrix
    # Of the vectors of all repetitions.
    summed = count * fresh("vector", (slice(0, m.order),)) + count * (count + 1) / 2
    first, last = where[0].start // m.tile, -(-where[0].stop // m.tile)
    vectors = summed.reshape(m.side, m.tile)
    product = [np.einsum("jik,jk->i", _row(problem, fresh, row), vectors) for row in range(first, last)]
    return found + np.concatenate(product)[where[0].start - first * m.tile :][: found.size]


def _row(problem: Adaptive, fresh: Fresh, row: int) -> np.ndarray:
    """Return a row of tiles with fresh non-zeros."""
    m = problem.matrix
    every = slice(row, row + 1), slice(0, m.side), slice(0, m.tile), slice(0, m.tile)
    return np.where(m.row_of_tiles(row) != 0, fresh("matrix", every)[0].astype(np.float32), 0.0)


def tolerance(problem: Adaptive, size: int, name: str) -> float:
    """Return the relative error that rounding may leave; what a repetition does not change has none."""
    return 1e-11
