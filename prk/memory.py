"""Allocation of the large arrays."""

import numpy as np


def empty(shape, dtype=np.float64):
    """Return an uninitialised C-contiguous array whose pages nobody has touched yet."""
    return np.empty(shape, dtype)
