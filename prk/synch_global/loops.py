"""The compute core of Synch_global."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def scramble(string, first, step, digits):
    """Take every step-th digit of a string, from `first` on (1-D, uint8, contiguous)."""
    # Unsigned: an index that may be negative costs a comparison each.
    place, far = np.uint64(first), np.uint64(step)
    for i in range(digits.size):
        digits[i] = string[place + np.uint64(i) * far]
