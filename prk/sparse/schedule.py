"""Which columns the rows of Sparse's matrix have, and who needs which of the vector's elements. Pure.

Row i + (j << bits) is the point (i, j) of a periodic grid of side 2^bits; its columns are those of a star
around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Rows that are looked at at once.
CHUNK = 1 << 14


def reversed_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Return the values with the order of their lowest `bits` bits reversed, and no others."""
    found = np.zeros_like(values)
    for bit in range(bits):
        found |= (values >> bit & 1) << (bits - 1 - bit)
    return found


class Lines(NamedTuple):
    """How the vector lies in memory: in lines of 2^bits elements, `pitch` elements from one to the next."""

    bits: int
    pitch: int

    @property
    def padding(self) -> int:
        return self.pitch - (1 << self.bits)

    def number(self, elements: int) -> int:
        """Return how many lines there are of whole lines' elements."""
        return elements >> self.bits

    def place(self, columns: np.ndarray) -> np.ndarray:
        """Return where in memory the elements of columns are."""
        return columns + (columns >> self.bits) * self.padding


@dataclass(frozen=True)
class Pattern:
    """The star of radius `radius` on a grid of side 2^bits; the columns may be in bit-reversed order."""

    bits: int
    radius: int
    scramble: bool

    @property
    def order(self) -> int:
        """Return the number of rows and of columns."""
        return 1 << 2 * self.bits

    @property
    def row_length(self) -> int:
        """Return the non-zeros of a row."""
        return 4 * self.radius + 1

    def star(self, points: np.ndarray) -> np.ndarray:
        """Return the numbers of the points of the star around each point, a row a point."""
        side = 1 << self.bits
        i, j = points[:, None] % side, points[:, None] // side
        reach = np.arange(-self.radius, self.radius + 1)
        along = (i + reach) % side + j * side
        across = i + (j + reach[reach != 0]) % side * side
        return np.concatenate([along, across], axis=1)

    def renumbered(self, points: np.ndarray) -> np.ndarray:
        """Return the columns that points have, and so the points that columns are."""
        return reversed_bits(points, 2 * self.bits) if self.scramble else points

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """Return the columns of rows in ascending order, a line a row."""
        return np.sort(self.renumbered(self.star(rows)), axis=1)

    def taken(self, rank: int, size: int) -> dict[int, np.ndarray]:
        """Return the columns, ascending, that a member's rows have in the slice of each other member."""
        block, needed = self.order // size, np.zeros(self.order, bool)
        for rows in _chunks(rank * block, (rank + 1) * block):
            needed[self.renumbered(self.star(rows))] = True
        parts = ((owner, np.flatnonzero(needed[owner * block :][:block])) for owner in range(size))
        return {owner: part + owner * block for owner, part in parts if part.size and owner != rank}

    def given(self, rank: int, size: int) -> dict[int, np.ndarray]:
        """Return the columns, ascending, of a member's slice that the rows of each other member have.

        A star is symmetric: the rows that have a column are those of the points around the column's.
        """
        block = self.order // size
        found: dict[int, list[np.ndarray]] = {}
        for columns in _chunks(rank * block, (rank + 1) * block):
            users = self.star(self.renumbered(columns)) // block
            for user in np.unique(users):
                found.setdefault(int(user), []).append(columns[(users == user).any(axis=1)])
        return {user: np.concatenate(found[user]) for user in sorted(found) if user != rank}


def _chunks(start: int, stop: int) -> Iterator[np.ndarray]:
    for first in range(start, stop, CHUNK):
        yield np.arange(first, min(first + CHUNK, stop))
