"""Block distributions: the whole of who owns what, pure and without communication."""

from bisect import bisect_left, bisect_right
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


def shifts(size: int) -> range:
    """Return the shifts of the phases of a pairwise exchange: `size` members, each with all others once."""
    return range(1, size)


def pairwise(rank: int, size: int) -> list[tuple[int, int]]:
    """Return the (source, destination) ranks of the size - 1 phases of a pairwise exchange (Transpose)."""
    return [((rank + shift) % size, (rank - shift) % size) for shift in shifts(size)]


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


def area(box: Box) -> int:
    """Return the number of points of a box."""
    (top, bottom), (left, right) = box
    return (bottom - top) * (right - left)


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

    @cached_property
    def _ends(self) -> tuple[list[int], list[int]]:
        """Return where the rows and columns of tiles end: all groups side by side cut the grid alike."""
        (px, py), (qx, qy) = grid(self.ranks // self.group), grid(self.group)
        return _nested(self.n, py, qy), _nested(self.m, px, qx)

    def owners(self, box: Box) -> list[int]:
        """Return the ranks, ascending, whose tiles have points in common with a box."""
        (px, _), (qx, qy) = grid(self.ranks // self.group), grid(self.group)
        lines = [
            range(bisect_right(ends, start), bisect_left(ends, stop) + 1)
            for ends, (start, stop) in zip(self._ends, box, strict=True)
        ]
        found = [
            (ix + iy * px) * self.group + jx + jy * qx
            for iy, jy in (divmod(row, qy) for row in lines[0] if row < len(self._ends[0]))
            for ix, jx in (divmod(column, qx) for column in lines[1] if column < len(self._ends[1]))
        ]
        return sorted(rank for rank in found if overlap(box, self.tiles[rank]))

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
            for owner in self.owners(ghost)
            if owner // self.group != rank // self.group and (piece := overlap(ghost, self.tiles[owner]))
        ]

    def outgoing(self, rank: int) -> list[tuple[int, Box]]:
        """Return the pieces of a rank's tile that other groups' ranks need, in `incoming`'s order."""
        return [
            (reader, piece)
            # Whoever has ghosts here is so near.
            for reader in self.owners(frame(self.tiles[rank], self.depth))
            if reader // self.group != rank // self.group
            for ghost in self.ghosts(reader)
            if (piece := overlap(ghost, self.tiles[rank]))
        ]

    def partners(self, rank: int) -> list[int]:
        """Return the ranks of its own group whose points a rank reads, or that read its points."""
        # A rank may also read ghosts that its partner fills, which lie one depth further away.
        near = self.owners(frame(self.tiles[rank], 2 * self.depth))
        return [
            other
            for other in near
            if other != rank
            and other // self.group == rank // self.group
            and (self._reads(rank, other) or self._reads(other, rank))
        ]

    def _reads(self, reader: int, other: int) -> bool:
        held = (self.tiles[other], *self._own_ghosts(other))
        return any(overlap(a, b) for a in self._read(reader) for b in held)

    def _read(self, rank: int) -> list[Box]:
        """Return the boxes around a rank's tile that it reads; kept, as all its partners ask for them."""
        if rank not in self._boxes:
            read = [*sides(self.tiles[rank], self.depth, self.corners).values()]
            self._boxes[rank] = read, self.ghosts(rank)
        return self._boxes[rank][0]

    def _own_ghosts(self, rank: int) -> list[Box]:
        self._read(rank)
        return self._boxes[rank][1]

    @cached_property
    def _boxes(self) -> dict[int, tuple[list[Box], list[Box]]]:
        return {}

    def unread(self, rank: int) -> Box:
        """Return the part of a rank's tile that no other rank of its group reads."""
        pairs = zip(self.tiles[rank], self.super_tiles[rank // self.group], strict=True)
        (top, bottom), (left, right) = (
            (a + self.depth * (a > first), b - self.depth * (b < last)) for (a, b), (first, last) in pairs
        )
        return (top, max(top, bottom)), (left, max(left, right))


def _nested(n: int, parts: int, inner: int) -> list[int]:
    """Return where the parts of n items end that are cut into `parts`, and each of those into `inner`."""
    found = []
    for index in range(parts):
        start, stop = block(n, parts, index)
        found += [start + block(stop - start, inner, place)[1] for place in range(inner)]
    return found


class Needs(Protocol):
    """Which boxes a rank gets of others, and gives to others, each with the other rank."""

    def incoming(self, rank: int) -> Sequence[tuple[int, Box]]: ...

    def outgoing(self, rank: int) -> Sequence[tuple[int, Box]]: ...


def displacement(layout: Needs, to: int, rank: int, box: Box) -> int:
    """Return where the points of `box`, which `rank` owns, begin in the landing area of the rank `to`."""
    arriving = layout.incoming(to)
    return sum(area(other) for _, other in arriving[: arriving.index((rank, box))])
