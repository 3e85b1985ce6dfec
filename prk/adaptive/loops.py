"""The compute core of Adaptive: what a tile comes to in a vector, and the search for its non-zeros."""

from numba import njit

# Elements that are looked at together: most hold nothing, and then nothing is done with them.
RUN = 16


@njit(cache=True, nogil=True)
def compress(tile, pairs, threshold, early):
    """Store (place, value) of a tile's non-zeros; return how many, or -1 if they are not below `threshold`.

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
