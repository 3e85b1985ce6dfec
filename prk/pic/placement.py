"""How many particles start in which cell: a linear congruential sequence by jump-ahead (PRK_SPEC, PIC).

Two numbers of the sequence belong to each cell, so whoever owns a cell finds its particles alone.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

FIRST = 27182818285
A, C = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
ZERO, ONE = np.uint64(0), np.uint64(1)
M64, M32 = np.uint64(2**64 - 1), np.uint64(2**32 - 1)
# The particles' rows: position, velocity, charge, and the particle's own number, exact up to 2^53.
X, Y, VX, VY, Q, ID = range(6)
ROWS = 6


class Source(NamedTuple):
    """A box of cells that particles start in, as compiled code takes it.

    means: how many there are in a cell on average, for each column from `left` on; rows are [bottom, top).
    columns: how many particles the columns before each one have, and at the end all of them.
    first: the state before the sequence's number that belongs to cell (0, 0); n: cells a side of the grid.
    base: the number of the first particle.
    """

    n: int
    left: int
    bottom: int
    top: int
    means: np.ndarray
    columns: np.ndarray
    first: np.uint64
    base: int

    @property
    def total(self) -> int:
        return int(self.columns[-1])


def source(
    n: int,
    left: int,
    rows: tuple[int, int],
    means: np.ndarray,
    first: np.uint64,
    base: int,
    counts: np.ndarray | None = None,
) -> Source:
    """Return a box of cells whose first particle is number `base`; `counts` are those of its columns."""
    made = Source(n, left, *rows, means, np.zeros(means.size + 1, np.int64), first, base)
    if counts is None:
        count_columns(made, 0, means.size, made.columns[1:])
    else:
        made.columns[1:] = counts
    np.cumsum(made.columns, out=made.columns)
    return made


@njit(cache=True, nogil=True)
def after(state):
    """Return the state that follows one."""
    return A * state + C


@njit(cache=True, nogil=True)
def jump(state, count):
    """Return the state `count` numbers later, by repeated squaring of what one step does."""
    factor, term, left = A, C, np.uint64(count)
    while left != ZERO:
        if left & ONE:
            state = factor * state + term
        term = (factor + ONE) * term
        factor = factor * factor
        left = left >> ONE
    return state


@njit(cache=True, nogil=True)
def draw(state, mean):
    """Return how many particles a cell has, and the state two numbers later."""
    one = after(state)
    two = after(one)
    if mean >= 1.0:
        u = np.float64(one % M64) / np.float64(M64)
        v = np.float64(two % M64) / np.float64(M64)
        z = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
        count = np.int64(z * 0.15 * mean + mean + 0.5)
    else:
        count = np.int64(two % M32 <= np.uint64(mean * np.float64(M32)))
    return count, two


@njit(cache=True, nogil=True)
def before(source, column):
    """Return the state before the numbers of the lowest cell of a source's column."""
    return jump(source.first, 2 * (source.bottom + (source.left + column) * source.n))


@njit(cache=True, nogil=True)
def count_columns(source, first, last, counts):
    """Count the particles of the columns [first, last)."""
    for column in range(first, last):
        state = before(source, column)
        total = 0
        for _ in range(source.bottom, source.top):
            count, state = draw(state, source.means[column])
            total += count
        counts[column] = total


@njit(cache=True, nogil=True)
def place(source, x0, x1, y0, y1, charge, speed, rows):
    """Write the particles that start in the cells [x0, x1) x [y0, y1) as rows (count, 6); return their count.

    Rows without room only count. A particle in an even column has this charge, in an odd one the opposite.
    """
    placed = 0
    for column in range(max(x0 - source.left, 0), min(x1 - source.left, source.means.size)):
        x = source.left + column
        state = before(source, column)
        number = source.base + source.columns[column]
        for y in range(source.bottom, min(source.top, y1)):
            count, state = draw(state, source.means[column])
            if y >= y0:
                for i in range(count if rows.size else 0):
                    row = rows[placed + i]
                    row[X], row[Y] = x + 0.5, y + 0.5
                    row[VX], row[VY] = 0.0, speed
                    row[Q] = -charge if x & 1 else charge
                    row[ID] = number + i
                placed += count
            number += count
    return placed


@njit(cache=True, nogil=True)
def origins(source, numbers, x, y):
    """Write in which cells the particles of a source started whose `numbers` ascend."""
    i = 0
    for column in range(source.means.size):
        if i == numbers.size or numbers[i] >= source.base + source.columns[column + 1]:
            continue
        state = before(source, column)
        end = source.base + source.columns[column]
        for row in range(source.bottom, source.top):
            count, state = draw(state, source.means[column])
            end += count
            while i < numbers.size and numbers[i] < end:
                x[i], y[i] = source.left + column, row
                i += 1
