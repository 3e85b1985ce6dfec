"""The compute core of DGEMM: C += A B for a panel, by compiled loops or by the BLAS that NumPy brings."""

from collections.abc import Callable

import numpy as np
from numba import njit

from prk.dgemm import blas

# Rows of B that are added to a row of C at once, and the columns of C between which they stay in cache.
DEPTH, COLUMNS = 8, 512

# Adds A B to rows first to last - 1 of C. A (k, rows of C) is stored by columns, so that a panel of it is
# contiguous; B (k, columns of C) and C by rows.
Multiply = Callable[[np.ndarray, np.ndarray, np.ndarray, int, int], None]


@njit(cache=True, nogil=True, fastmath={"contract"})
def multiply(A, B, C, first, last):
    """Add A B to rows `first` to `last` - 1 of C."""
    depth, columns = B.shape
    whole = depth - depth % DEPTH
    for left in range(0, columns, COLUMNS):
        right = min(left + COLUMNS, columns)
        for i in range(first, last):
            c = C[i, left:right]
            for k in range(0, whole, DEPTH):
                _add_eight(A, B, c, i, k, left, right)
            for k in range(whole, depth):
                a, b = A[k, i], B[k, left:right]
                for j in range(c.size):
                    c[j] += a * b[j]


@njit(nogil=True, fastmath={"contract"}, inline="always")
def _add_eight(A, B, c, i, k, left, right):
    """Add eight rows of B from row k on, each times its element of A, to a part of row i of C."""
    a0, a1, a2, a3 = A[k, i], A[k + 1, i], A[k + 2, i], A[k + 3, i]
    a4, a5, a6, a7 = A[k + 4, i], A[k + 5, i], A[k + 6, i], A[k + 7, i]
    b0, b1, b2, b3 = B[k, left:right], B[k + 1, left:right], B[k + 2, left:right], B[k + 3, left:right]
    b4, b5, b6, b7 = B[k + 4, left:right], B[k + 5, left:right], B[k + 6, left:right], B[k + 7, left:right]
    for j in range(c.size):
        low = a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
        c[j] += low + (a4 * b4[j] + a5 * b5[j] + a6 * b6[j] + a7 * b7[j])


def by(local: str) -> Multiply:
    """Return what multiplies panels: "blas" or "loops"."""
    return multiply if local == "loops" else blas.multiply()
