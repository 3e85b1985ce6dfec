"""The compute core of RefCount: an update of both counters by whoever may touch them, and a triad."""

import math

from numba import njit

from prk.nstream import loops

COS, SIN = math.cos(1.0), math.sin(1.0)


@njit(cache=True, nogil=True)
def update(words, numbers, second, dependent):
    """Add 1 to both counters; or, as floating point, rotate them by a radian.

    words, numbers: the same memory as integers and as floating point, the counters at 0 and at `second`.
    """
    if dependent:
        x, y = numbers[0], numbers[second]
        numbers[0], numbers[second] = COS * x - SIN * y, SIN * x + COS * y
    else:
        words[0] += 1
        words[second] += 1


@njit(cache=True, nogil=True)
def stream(a, b, c):
    """Add b + 3c to a, as Nstream does."""
    loops.nstream(a, b, c)


@njit(cache=True, nogil=True)
def alone(words, numbers, second, dependent, a, b, c, count):
    """Make `count` updates that nobody else makes, each with its triad."""
    for _ in range(count):
        update(words, numbers, second, dependent)
        stream(a, b, c)
