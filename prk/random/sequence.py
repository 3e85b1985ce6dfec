"""The sequence of Random's updates: powers of x modulo x^64 + x^2 + x + 1 over GF(2), bit i being x^i."""

from collections.abc import Iterator, Sequence

import numpy as np

POLYNOMIAL = 7
PERIOD = 1317624576693539401
# The power that the first stream of the first member begins with.
FIRST = 834568137686317453


def after(v: np.ndarray) -> np.ndarray:
    """Return what follows each word: twice as much, and XOR 7 where the top bit was set."""
    return v << np.uint64(1) ^ (v >> np.uint64(63)) * np.uint64(POLYNOMIAL)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the products of two arrays of polynomials."""
    found = np.zeros(np.broadcast_shapes(a.shape, b.shape), np.uint64)
    for bit in range(63, -1, -1):
        found = after(found) ^ (b >> np.uint64(bit) & np.uint64(1)) * a
    return found


def starts(powers: Sequence[int]) -> np.ndarray:
    """Return the elements of the sequence at these places, by square and multiply."""
    places = np.array([power % PERIOD for power in powers], np.uint64)
    found, square = np.ones(places.shape, np.uint64), np.full(1, 2, np.uint64)
    while places.any():
        found = np.where(places & np.uint64(1), product(found, square), found)
        places, square = places >> np.uint64(1), product(square, square)
    return found


def batches(streams: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Yield the next `count` values of every stream, a batch of all streams at a time."""
    for _ in range(count):
        streams = after(streams)
        yield streams


def sum_of_powers(word: int, times: int) -> int:
    """Return what a sum over GF(2) is that was multiplied by x before each of `times` additions of a word."""
    total = np.zeros(1, np.uint64)
    for _ in range(times):
        total = after(total) ^ np.uint64(word)
    return int(total[0])
