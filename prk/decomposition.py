"""Block distributions: the whole of who owns what, pure and without communication."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from math import gcd, isqrt
from typing import Protocol

# Half-open ranges of rows and of columns.
Box = tuple[tuple[int, int], tuple[int, int]]


def block(n: int, parts: int, index: int) -> tuple[int, int]:
    """Return the half-open range [start, stop) of n items that part `index` of `parts` owns.

    The first n % parts parts hold one item more (PRK_SPEC, conventions).
    """
    width, left = divmod(n, parts)
    start = index * width + min(index, left)
    return start, start + width + (index < left)


@cache
def grid(size: int) -> tuple[int, int]:
    """Return (Px, Py), the 2-D rank grid for `size` ranks (PRK_SPEC, conventions)."""
    px = next(d for d in range(isqrt(size + 1), 0, -1) if size % d == 0)
    return px, size // px


@dataclass(frozen=True)
class Tile:
    """One rank's rectangle of a 2-D grid: global ranges, and its neighbours' ranks (None at the border)."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    north: int | None = None
    south: int | None = None
    west: int | None = None
    east: int | None = None

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


def common_group(hosts: Sequence[object]) -> int:
    """Return the largest group of consecutive ranks that never spans two hosts, rank r being on hosts[r]."""
    return gcd(*(len(list(run)) for _, run in groupby(hosts)))


def part(box: Box, parts: int, index: int) -> Box:
    """Return part `index` of a box that is divided over the 2-D grid of `parts`."""
    (top, bottom), (left, right) = box
    inside = tile(bottom - top, right - left, parts, index)
    return (top + inside.rows[0], top + inside.rows[1]), (left + inside.cols[0], left + inside.cols[1])


def overlap(a: Box, b: Box) -> Box | None:
    """Return what two boxes have in common, or None."""
    rows = max(a[0][0], b[0][0]), min(a[0][1], b[0][1])
    cols = max(a[1][0], b[1][0]), min(a[1][1], b[1][1])
    return (rows, cols) if rows[0] < rows[1] and cols[0] < cols[1] else None


def frame(box: Box, depth: int) -> Box:
    """Return the box with a frame around it."""
    (top, bottom), (left, right) = box
    return (top - depth, bottom + depth), (left - depth, right + depth)


def sides(box: Box, depth: int, corners: bool) -> dict[tuple[int, int], Box]:
    """Return the sides (and corners) of the frame around a box by their direction (down, right)."""
    (top, bottom), (left, right) = box
    (above, below), (before, beyond) = frame(box, depth)
    rows = {0: (top, bottom), -1: (above, top), 1: (bottom, below)}
    cols = {0: (left, right), -1: (before, left), 1: (right, beyond)}
    return {
        (down, right): (rows[down], cols[right])
        for down in rows
        for right in cols
        if (down or right) and (corners or not (down and right))
    }


@dataclass(frozen=True)
class SuperTiles:
    """An n x m grid divided over groups of `group` consecutive ranks, and each super-tile over its ranks.

    A group holds a frame of ghost points, `depth` deep, around its super-tile. Each of them is filled by
    the one rank of the group whose tile it lies beside. Groups of one rank have the tiles of `tile`.
    """

    n: int
    m: int
    ranks: int
    group: int
    depth: int
    corners: bool

    @property
    def cuts(self) -> tuple[int, int]:
        """Return into how many tiles the rows and the columns of the grid are cut."""
        (px, py), (qx, qy) = grid(self.ranks // self.group), grid(self.group)
        return py * qy, px * qx

    @cached_property
    def super_tiles(self) -> list[Box]:
        """Return each group's box of the grid."""
        groups = self.ranks // self.group
        return [part(((0, self.n), (0, self.m)), groups, index) for index in range(groups)]

    @cached_property
    def tiles(self) -> list[Box]:
        """Return each rank's box of the grid."""
        return [part(box, self.group, index) for box in self.super_tiles for index in range(self.group)]

    def ghosts(self, rank: int) -> list[Box]:
        """Return the boxes of its group's ghost frame that a rank fills, also beyond the grid's border."""
        box, outer = self.tiles[rank], self.super_tiles[rank // self.group]
        on_edge = [
            {0, *(s for s, a, b in zip((-1, 1), x, y, strict=True) if a == b)}
            for x, y in zip(box, outer, strict=True)
        ]
        return [
            ghost
            for (down, right), ghost in sides(box, self.depth, self.corners).items()
            if down in on_edge[0] and right in on_edge[1]
        ]

    def incoming(self, rank: int) -> list[tuple[int, Box]]:
        """Return the pieces of a rank's ghosts, each with the rank of another group that owns it."""
        return [
            (owner, piece)
            for ghost in self.ghosts(rank)
            for owner, tile in enumerate(self.tiles)
            if owner // self.group != rank // self.group and (piece := overlap(ghost, tile))
        ]

    def outgoing(self, rank: int) -> list[tuple[int, Box]]:
        """Return the pieces of a rank's tile that other groups' ranks need, in `incoming`'s order."""
        return [
            (reader, piece)
            for reader in range(self.ranks)
            if reader // self.group != rank // self.group
            for ghost in self.ghosts(reader)
            if (piece := overlap(ghost, self.tiles[rank]))
        ]

    def partners(self, rank: int) -> list[int]:
        """Return the ranks of its own group whose points a rank reads, or that read its points."""
        first = rank // self.group * self.group
        return [
            other
            for other in range(first, first + self.group)
            if other != rank and (self._reads(rank, other) or self._reads(other, rank))
        ]

    def _reads(self, reader: int, other: int) -> bool:
        read = sides(self.tiles[reader], self.depth, self.corners).values()
        return any(overlap(a, b) for a in read for b in (self.tiles[other], *self.ghosts(other)))

    def unread(self, rank: int) -> Box:
        """Return the part of a rank's tile that no other rank of its group reads."""
        pairs = zip(self.tiles[rank], self.super_tiles[rank // self.group], strict=True)
        (top, bottom), (left, right) = (
            (a + self.depth * (a > first), b - self.depth * (b < last)) for (a, b), (first, last) in pairs
        )
        return (top, max(top, bottom)), (left, max(left, right))


class Needs(Protocol):
    """Which boxes a rank gets of others, and gives to others, each with the other rank."""

    def incoming(self, rank: int) -> Sequence[tuple[int, Box]]: ...

    def outgoing(self, rank: int) -> Sequence[tuple[int, Box]]: ...


def area(box: Box) -> int:
    """Return the number of points of a box."""
    (top, bottom), (left, right) = box
    return (bottom - top) * (right - left)


def displacement(layout: Needs, to: int, rank: int, box: Box) -> int:
    """Return where the points of `box`, which `rank` owns, begin in the landing area of the rank `to`."""
    arriving = layout.incoming(to)
    return sum(area(other) for _, other in arriving[: arriving.index((rank, box))])
