"""Sparse on an audit's data, in plain NumPy: the pattern stays, the non-zeros and the vector are others."""

import numpy as np

from prk.check import Fresh
from prk.sparse.problem import Sparse

# Elements of the vector that are there at once.
PART = 1 << 18


def expected(
    problem: Sparse, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of a field after `count` repetitions of fresh data."""
    found, rows = fresh(name, where), np.arange(where[0].start, where[0].stop)
    if name == "vector":
        return found + count * (problem.numbered(rows, where[1]) + 1.0)
    if name == "result":
        columns = problem.pattern.columns(rows)
        # Of the vector after each repetition, summed.
        summed = count * _elements(problem, fresh, columns) + count * (count + 1) / 2 * (columns + 1.0)
        found += (fresh("matrix", (where[0], slice(0, problem.row_length))) * summed).sum(axis=1)
    return found


def _elements(problem: Sparse, fresh: Fresh, columns: np.ndarray) -> np.ndarray:
    """Return the vector's fresh elements in the columns."""
    found, side = np.empty(columns.shape), 1 << problem.lsize
    step = max(1, PART // side)
    for top in range(0, side, step):
        rows = slice(top, min(top + step, side))
        inside = (rows.start * side <= columns) & (columns < rows.stop * side)
        found[inside] = fresh("vector", (rows, slice(0, side))).ravel()[columns[inside] - top * side]
    return found
