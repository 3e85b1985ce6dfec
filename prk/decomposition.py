"""Block distributions: the whole of who owns what, pure and without communication."""

from dataclasses import dataclass
from math import isqrt


def block(n: int, parts: int, index: int) -> tuple[int, int]:
    """Return the half-open range [start, stop) of n items that part `index` of `parts` owns.

    The first n % parts parts hold one item more (PRK_SPEC, conventions).
    """
    width, left = divmod(n, parts)
    start = index * width + min(index, left)
    return start, start + width + (index < left)


def grid(size: int) -> tuple[int, int]:
    """Return (Px, Py), the 2-D rank grid for `size` ranks (PRK_SPEC, conventions)."""
    px = next(d for d in range(isqrt(size + 1), 0, -1) if size % d == 0)
    return px, size // px


@dataclass(frozen=True)
class Tile:
    """One rank's rectangle of a 2-D grid: global ranges, and its neighbours' ranks (None at the border)."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    north: int | None
    south: int | None
    west: int | None
    east: int | None

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]


def tile(n: int, m: int, size: int, rank: int) -> Tile:
    """Return the tile of an n x m grid (rows x columns) that `rank` of `size` owns; rank = ix + iy * Px."""
    px, py = grid(size)
    iy, ix = divmod(rank, px)
    return Tile(
        rows=block(n, py, iy),
        cols=block(m, px, ix),
        north=rank - px if iy > 0 else None,
        south=rank + px if iy < py - 1 else None,
        west=rank - 1 if ix > 0 else None,
        east=rank + 1 if ix < px - 1 else None,
    )


def pairwise(rank: int, size: int) -> list[tuple[int, int]]:
    """Return the (source, destination) ranks of the size - 1 phases of a pairwise exchange (Transpose)."""
    return [((rank + phase) % size, (rank - phase) % size) for phase in range(1, size)]
