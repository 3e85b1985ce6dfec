"""The compute core of Synch_p2p: A[j, i] from its left, lower and lower-left neighbours, line by line."""

from numba import njit


@njit(cache=True, nogil=True)
def line(A, j, i0):
    """Compute line j of A (n, w) from element max(i0, 1) on."""
    here = A[j]
    below = A[j - 1]
    for i in range(max(i0, 1), here.size):
        here[i] = here[i - 1] + below[i] - below[i - 1]


@njit(cache=True, nogil=True)
def block(A, j0, j1):
    """Compute lines j0 to j1 - 1 (j0 >= 1) without a message in between."""
    for j in range(j0, j1):
        line(A, j, 1)


@njit(cache=True, nogil=True)
def sweep(A):
    """Run one serial repetition: all lines, then the corner dependency."""
    n, w = A.shape
    block(A, 1, n)
    A[0, 0] = -A[n - 1, w - 1]
