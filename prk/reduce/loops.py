"""The compute core of Reduce."""

from numba import njit


@njit(cache=True, nogil=True)
def add(total, other):
    """Add another vector to a total (1-D, float64, contiguous, equal lengths)."""
    for i in range(total.size):
        total[i] += other[i]


@njit(cache=True, nogil=True)
def add_two(total, one, other):
    """Store the sum of two vectors in a third one."""
    for i in range(total.size):
        total[i] = one[i] + other[i]


@njit(cache=True, nogil=True)
def add_rows(total, rows, first, start, stop):
    """Add the elements [start, stop) of all rows from row `first` on to a total."""
    for row in range(first, rows.shape[0]):
        add(total, rows[row, start:stop])
