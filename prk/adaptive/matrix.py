"""The matrix of Adaptive: a Kronecker graph as Graph500 generates it, over dense tiles. Pure.

Its non-zeros are integers that tell their places, so that every product is exact in any order and in single
precision.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from prk import decomposition

# What part of the edges goes into each quadrant, at every level: both bits 0, the column's, the row's, both.
QUADRANTS = (0.57, 0.19, 0.19, 0.05)
# Values are 1 to LARGEST, in steps of these along the rows and columns.
LARGEST, DOWN, ACROSS = 127, 7, 13


@cache
def edges(scale: int, factor: int, seed: int) -> np.ndarray:
    """Return row 2^scale + column of each non-zero of the graph, ascending and distinct.

    factor 2^scale edges are drawn, bit by bit from the highest, and the vertices renamed by a permutation.
    Graph500, specification 2.0, section 3.
    """
    draw, n = np.random.default_rng(seed), 1 << scale
    rows, columns = np.zeros((2, factor * n), np.int64)
    for _ in range(scale):
        quadrant = np.searchsorted(np.cumsum(QUADRANTS[:-1]), draw.random(factor * n), "right")
        rows, columns = 2 * rows + quadrant // 2, 2 * columns + quadrant % 2
    renamed = draw.permutation(n)
    return np.unique(renamed[rows] * n + renamed[columns])


@dataclass(frozen=True)
class Matrix:
    """Order 2^scale, in tiles of `tile` x `tile`, numbered row by row; a part of them, `share`, is dense."""

    scale: int
    factor: int
    tile: int
    share: float
    seed: int

    @property
    def order(self) -> int:
        return 1 << self.scale

    @property
    def side(self) -> int:
        """Return the tiles of a row of tiles."""
        return self.order // self.tile

    @property
    def tiles(self) -> int:
        return self.side**2

    @cached_property
    def dense(self) -> np.ndarray:
        """Return the numbers of the dense tiles, ascending."""
        drawn = np.random.default_rng((self.seed, 1)).permutation(self.tiles)
        return np.sort(drawn[: round(self.share * self.tiles)])

    @cached_property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the non-zeros outside the dense tiles, row by row."""
        rows, columns = np.divmod(edges(self.scale, self.factor, self.seed), self.order)
        apart = ~np.isin(self.number(rows, columns), self.dense)
        return rows[apart], columns[apart]

    def number(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the numbers of the tiles that hold these elements."""
        return rows // self.tile * self.side + columns // self.tile

    def nonzeros(self) -> np.ndarray:
        """Return how many non-zeros each tile has."""
        found = np.bincount(self.number(*self.entries), minlength=self.tiles)
        found[self.dense] = self.tile**2
        return found

    def order_of_tasks(self, phases: int) -> np.ndarray:
        """Return the tiles in the order in which they are sent.

        As they lie, or in so many phases, each a stretch of sparse tiles and then one of dense ones.
        """
        every = np.arange(self.tiles)
        if not phases:
            return every
        kinds = np.setdiff1d(every, self.dense), self.dense
        spans = [(kind, *decomposition.block(kind.size, phases, p)) for p in range(phases) for kind in kinds]
        return np.concatenate([kind[start:stop] for kind, start, stop in spans])

    def row_of_tiles(self, row: int) -> np.ndarray:
        """Return a row of tiles, (side, tile, tile)."""
        found = np.zeros((self.side, self.tile, self.tile))
        rows, columns = self.entries
        here = slice(*np.searchsorted(rows, [row * self.tile, (row + 1) * self.tile]))
        i, j = rows[here], columns[here]
        found[j // self.tile, i % self.tile, j % self.tile] = value(i, j)
        for column in self.dense[self.dense // self.side == row] % self.side:
            found[column] = self.block(row, int(column))
        return found

    def block(self, row: int, column: int) -> np.ndarray:
        """Return what a dense tile holds."""
        i, j = (np.arange(at * self.tile, (at + 1) * self.tile) for at in (row, column))
        return value(i[:, None], j).astype(float)

    def product(self, vector: np.ndarray) -> np.ndarray:
        """Return the matrix times a vector of integers, exactly, from the non-zeros and not from tiles."""
        rows, columns = self.entries
        # Of integers where there is nothing to count.
        found = np.bincount(rows, value(rows, columns) * vector[columns], self.order).astype(float)
        for number in self.dense:
            row, column = divmod(int(number), self.side)
            into, of = (slice(at * self.tile, (at + 1) * self.tile) for at in (row, column))
            found[into] += self.block(row, column) @ vector[of]
        return found


@cache
def made(scale: int, factor: int, tile: int, share: float, seed: int) -> Matrix:
    """Return a matrix, the same one for the same arguments, whose parts are drawn once."""
    return Matrix(scale, factor, tile, share, seed)


def value(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the integers that non-zeros hold at these places."""
    return 1 + (DOWN * rows + ACROSS * columns) % LARGEST


def start(order: int) -> np.ndarray:
    """Return the vector before the first repetition."""
    return 1.0 + np.arange(order) % 61
