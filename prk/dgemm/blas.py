"""The BLAS that NumPy brings: its dgemm adds to C where NumPy's own product overwrites it."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.linalg import _umath_linalg  # type: ignore[attr-defined]

# Names that the routine has in the libraries that NumPy is built with, and their integers.
NAMES = {
    "scipy_cblas_dgemm64_": ctypes.c_int64,
    "cblas_dgemm64_": ctypes.c_int64,
    "scipy_cblas_dgemm": ctypes.c_int,
    "cblas_dgemm": ctypes.c_int,
}
BY_ROWS, AS_IT_IS, TRANSPOSED = 101, 111, 112
# Side of the squares of C whose product NumPy makes where the routine has none of these names.
SIDE = 256


@cache
def multiply() -> Callable[..., None]:
    """Return what adds A B, A (k, rows) stored by columns, to rows `first` to `last` - 1 of C."""
    dgemm = routine()
    return _by_dgemm(dgemm) if dgemm else by_numpy


def routine() -> Any:
    """Return the dgemm of the library that NumPy is linked with, or None if it has another name."""
    # A symbol is looked up in what the extension module depends on, too.
    library = ctypes.CDLL(_umath_linalg.__file__)
    for name, integer in NAMES.items():
        if hasattr(library, name):
            function = getattr(library, name)
            factor, matrix = ctypes.c_double, [ctypes.c_void_p, integer]
            function.argtypes = [
                *3 * [ctypes.c_int], *3 * [integer], factor, *matrix, *matrix, factor, *matrix
            ]  # fmt: skip
            function.restype = None
            return function
    return None


def _by_dgemm(dgemm: Any) -> Callable[..., None]:
    def multiply(A: np.ndarray, B: np.ndarray, C: np.ndarray, first: int, last: int) -> None:
        (depth, columns), rows = B.shape, A.shape[1]
        a, c = A.ctypes.data + 8 * first, C.ctypes.data + 8 * columns * first
        # The interpreter's lock is released meanwhile.
        dgemm(
            BY_ROWS, TRANSPOSED, AS_IT_IS, last - first, columns, depth,
            1.0, a, rows, B.ctypes.data, columns, 1.0, c, columns,
        )  # fmt: skip

    return multiply


def by_numpy(A: np.ndarray, B: np.ndarray, C: np.ndarray, first: int, last: int) -> None:
    """Add A B to C by NumPy's own product, in squares that stay in cache until they are added."""
    for i in range(first, last, SIDE):
        rows = slice(i, min(i + SIDE, last))
        for j in range(0, C.shape[1], SIDE):
            columns = slice(j, j + SIDE)
            C[rows, columns] += A[:, rows].T @ B[:, columns]
