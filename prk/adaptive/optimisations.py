"""What can be done to a tile before it travels; found here by name. Pure, without what is compiled of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Optimisation(NamedTuple):
    """A way to make a tile smaller.

    code: by which `loops.apply` knows it.
    left: of (problem, bytes, non-zeros), the bytes that are left of those of tiles with so many non-zeros.
    """

    code: int
    left: Callable[[Any, np.ndarray, np.ndarray], np.ndarray]


def left_of_compression(problem: Any, sent: np.ndarray, nonzeros: np.ndarray) -> np.ndarray:
    """A place and a value of each non-zero, where there are few."""
    return np.where(nonzeros < problem.threshold, sent // problem.tile**2 * 2 * nonzeros, sent)


def left_of_float32(problem: Any, sent: np.ndarray, nonzeros: np.ndarray) -> np.ndarray:
    """Single precision, which holds the numbers of the matrix exactly."""
    return sent // 2


COMPRESSION, FLOAT32 = range(2)
# In the order in which they are applied.
BY_NAME = {
    "compression": Optimisation(COMPRESSION, left_of_compression),
    "float32": Optimisation(FLOAT32, left_of_float32),
}
