"""The compute core of Nstream."""

from numba import njit


@njit(cache=True, nogil=True)
def nstream(a, b, c):
    """Add b + 3c to a, element by element (1-D, float64, contiguous, equal lengths)."""
    for i in range(a.size):
        a[i] += b[i] + 3.0 * c[i]
