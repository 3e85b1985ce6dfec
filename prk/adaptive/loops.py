"""The compute core of Adaptive: what a tile comes to in a vector, and what makes it smaller.

A parcel is what travels of a tile: bytes, of numbers that are `width` bytes wide.
"""

import numpy as np
from numba import njit

from prk.adaptive.optimisations import COMPRESSION

WIDTH = 8  # bytes of a tile's numbers
# Elements that are looked at together: most hold nothing, and then nothing is done with them.
RUN = 16


@njit(cache=True, nogil=True)
def compress(tile, pairs, threshold, early):
    """Store (place, value) of a tile's non-zeros; return how many, or -1 if they are not below `threshold`.

    pairs: room for `threshold` of them.
    early: whether to give up as soon as that is known, or to read the whole tile nevertheless.
    """
    count = 0
    for start in range(0, tile.size, RUN):
        run, found = tile[start : start + RUN], 0
        for value in run:
            found += value != 0.0
        if found and count + found < threshold:
            for i in range(run.size):
                if run[i] != 0.0:
                    pairs[2 * count], pairs[2 * count + 1] = start + i, run[i]
                    count += 1
        else:
            count += found
            if early and count >= threshold:
                break
    return count if count < threshold else -1


# The order of the additions is free: sums are exact.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def multiply(tile, vector, result):
    """Add a tile, row by row, times the vector to the result."""
    width = vector.size
    for i in range(result.size):
        row, total = tile[i * width : (i + 1) * width], 0.0
        for j in range(width):
            total += row[j] * vector[j]
        result[i] += total


@njit(cache=True, nogil=True)
def multiply_compressed(pairs, vector, result):
    """Add (place, value) pairs of a tile times the vector to the result."""
    width = vector.size
    for k in range(pairs.size // 2):
        place = int(pairs[2 * k])
        result[place // width] += pairs[2 * k + 1] * vector[place % width]


@njit(cache=True, nogil=True)
def apply(code, parcel, width, room, threshold, early):
    """Make a parcel smaller by an optimisation, in `room`; return the bytes and the width of what it is then.

    As many bytes as before: it is left as it was.
    """
    if code == COMPRESSION:
        count = compress(parcel.view(np.float64), room.view(np.float64), threshold, early)
        return (parcel.size if count < 0 else 2 * WIDTH * count), width
    narrow = room.view(np.float32)
    for i, value in enumerate(parcel.view(np.float64)):
        narrow[i] = value
    return parcel.size // 2, width // 2


@njit(cache=True, nogil=True)
def add(number, parcel, width, vector, result, tile):
    """Add the product of tile `number` of so many rows, which a parcel is of, to the result."""
    row, column = divmod(number, vector.size // tile)
    into = result[row * tile : (row + 1) * tile]
    of = vector[column * tile : (column + 1) * tile]
    if width == WIDTH:
        add_numbers(parcel.view(np.float64), of, into)
    else:
        add_numbers(parcel.view(np.float32), of, into)


@njit(cache=True, nogil=True)
def add_numbers(numbers, vector, result):
    """Add a tile times the vector to the result, whole or compressed."""
    if numbers.size == vector.size * result.size:
        multiply(numbers, vector, result)
    else:
        multiply_compressed(numbers, vector, result)
