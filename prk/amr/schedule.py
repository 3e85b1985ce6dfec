"""Where the pieces of AMR's five grids lie, and who sends what of the background to whom. Pure.

A refinement of n_r x n_r points of the background, its corner at one of them, has `expansion` times as fine a
spacing and so (n_r - 1) expansion + 1 points a side.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil

from prk import decomposition
from prk.decomposition import Box, Tile

STRATEGIES = ("fine-grain", "no-talk", "high-water")
NOTHING = Tile((0, 0), (0, 0))


@dataclass(frozen=True)
class Mesh:
    """A square grid that is cut into rows and columns of pieces, each with the rank that has it.

    cuts: where rows, and where columns, of pieces begin, and where the last ones end.
    first: the rank of the first piece; the next one in a row is the next rank's, the next one in a column
    that of `pitch` ranks further on.
    depth: of the halo around a piece; star-shaped, so without corners.
    """

    cuts: tuple[tuple[int, ...], tuple[int, ...]]
    first: int
    pitch: int
    depth: int

    @property
    def counts(self) -> tuple[int, int]:
        """Return the rows and the columns of pieces."""
        rows, cols = self.cuts
        return len(rows) - 1, len(cols) - 1

    @property
    def ranks(self) -> list[int]:
        """Return the ranks that have a piece, in the pieces' order."""
        return [self.rank(*place) for place in itertools.product(*map(range, self.counts))]

    def rank(self, down: int, right: int) -> int:
        """Return the rank of a piece by its place."""
        return self.first + down * self.pitch + right

    def place(self, rank: int) -> tuple[int, int] | None:
        """Return the place of a rank's piece, or None if it has none."""
        down, right = divmod(rank - self.first, self.pitch)
        inside = 0 <= down < self.counts[0] and right < self.counts[1]
        return (down, right) if inside else None

    def tile(self, rank: int) -> Tile:
        """Return a rank's piece with its neighbours' ranks; an empty one if it has none."""
        place = self.place(rank)
        if place is None:
            return NOTHING
        down, right = place
        rows, cols = (c[i : i + 2] for c, i in zip(self.cuts, place, strict=True))
        return Tile(
            rows=(rows[0], rows[1]),
            cols=(cols[0], cols[1]),
            north=self.rank(down - 1, right) if down > 0 else None,
            south=self.rank(down + 1, right) if down < self.counts[0] - 1 else None,
            west=self.rank(down, right - 1) if right > 0 else None,
            east=self.rank(down, right + 1) if right < self.counts[1] - 1 else None,
        )

    def widths(self) -> list[list[int]]:
        """Return the heights of the rows and the widths of the columns of pieces."""
        return [[b - a for a, b in itertools.pairwise(cuts)] for cuts in self.cuts]

    def owners(self, box: Box) -> Iterator[tuple[int, Box]]:
        """Yield the ranks that have points of a box, each with these, in the pieces' order."""
        for (down, rows), (right, cols) in itertools.product(
            *(_parts(cuts, span) for cuts, span in zip(self.cuts, box, strict=True))
        ):
            yield self.rank(down, right), (rows, cols)

    def incoming(self, rank: int) -> list[tuple[int, Box]]:
        """Return the boxes of a piece's halo, each with the rank that has it."""
        tile = self.tile(rank)
        (top, bottom), (left, right), r = tile.rows, tile.cols, self.depth
        sides = (
            (tile.north, ((top - r, top), tile.cols)),
            (tile.west, (tile.rows, (left - r, left))),
            (tile.east, (tile.rows, (right, right + r))),
            (tile.south, ((bottom, bottom + r), tile.cols)),
        )
        return [(owner, box) for owner, box in sides if owner is not None]

    def outgoing(self, rank: int) -> list[tuple[int, Box]]:
        """Return the boxes of a piece that are in others' halos, each with the rank that needs it."""
        neighbours = [owner for owner, _ in self.incoming(rank)]
        return [(to, box) for to in neighbours for owner, box in self.incoming(to) if owner == rank]


def _parts(cuts: Sequence[int], span: tuple[int, int]) -> list[tuple[int, tuple[int, int]]]:
    """Return the intervals between cuts that have something of a span, by number, with what they have."""
    spans = ((i, (max(a, span[0]), min(b, span[1]))) for i, (a, b) in enumerate(itertools.pairwise(cuts)))
    return [(i, (start, stop)) for i, (start, stop) in spans if start < stop]


@dataclass(frozen=True)
class Feed:
    """Which points of the background the pieces of a refinement are interpolated from, and who has them.

    corner: row and column of the refinement's first point, as the background counts.
    """

    background: Mesh
    refinement: Mesh
    corner: tuple[int, int]
    expansion: int

    def needed(self, rank: int) -> Box:
        """Return the points of the background around a rank's piece; nothing if it has none."""
        tile = self.refinement.tile(rank)
        rows, cols = (
            self._around(span, corner)
            for span, corner in zip((tile.rows, tile.cols), self.corner, strict=True)
        )
        return rows, cols

    @property
    def largest(self) -> int:
        """Return the points of the background around the largest piece."""
        most = 1
        for cuts in self.refinement.cuts:
            around = (self._around(span, 0) for span in itertools.pairwise(cuts))
            most *= max(stop - start for start, stop in around)
        return most

    def incoming(self, rank: int) -> list[tuple[int, Box]]:
        """Return what a rank gets of the background, by box, each with the rank that has it."""
        return [(owner, box) for owner, box in self._pieces(rank) if owner != rank]

    def own(self, rank: int) -> Box | None:
        """Return what a rank that has a piece has itself of the background around it."""
        return next((box for owner, box in self._pieces(rank) if owner == rank), None)

    def outgoing(self, rank: int) -> list[tuple[int, Box]]:
        """Return what a rank gives of the background, by box, each with the rank that needs it."""
        tile = self.background.tile(rank)
        # A piece's rows depend on its place in a column alone, and its columns on that in a row.
        wanted = [
            [
                (i, overlap)
                for i, span in enumerate(itertools.pairwise(cuts))
                if (overlap := _common(self._around(span, corner), own))
            ]
            for cuts, corner, own in zip(
                self.refinement.cuts, self.corner, (tile.rows, tile.cols), strict=True
            )
        ]
        boxes = (
            (self.refinement.rank(down, right), (rows, cols))
            for (down, rows), (right, cols) in itertools.product(*wanted)
        )
        return [(reader, box) for reader, box in boxes if reader != rank]

    def _pieces(self, rank: int) -> Iterator[tuple[int, Box]]:
        return self.background.owners(self.needed(rank))

    def _around(self, span: tuple[int, int], corner: int) -> tuple[int, int]:
        """Return the half-open range of the background's lines around a range of the refinement's."""
        start, stop = span
        if start == stop:
            return 0, 0
        return corner + start // self.expansion, corner - (1 - stop) // self.expansion + 1


def _common(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int] | None:
    start, stop = max(a[0], b[0]), min(a[1], b[1])
    return (start, stop) if start < stop else None


@dataclass(frozen=True)
class Layout:
    """All grids in pieces: the background, and each refinement with what it is interpolated from."""

    background: Mesh
    feeds: tuple[Feed, ...]

    @property
    def meshes(self) -> tuple[Mesh, ...]:
        """Return the pieces of the background and of the refinements."""
        return self.background, *(feed.refinement for feed in self.feeds)


def mesh(n: int, ranks: int, first: int, depth: int) -> Mesh:
    """Return an n x n grid in tiles over so many ranks from `first` on."""
    px, py = decomposition.grid(ranks)
    return Mesh((_cuts(n, py), _cuts(n, px)), first, px, depth)


def _cuts(n: int, parts: int) -> tuple[int, ...]:
    return (*(decomposition.block(n, parts, index)[0] for index in range(parts)), n)


def coinciding(background: Mesh, corner: tuple[int, int], n: int, expansion: int) -> Mesh:
    """Return a refinement of n x n points in the pieces that the background's tiles cut it into.

    A point between two tiles is the earlier one's: it is interpolated from the first line of the later one,
    which is sent, for the halo of a star has no corners.
    """
    cuts, begins = [], []
    for lines, start in zip(background.cuts, corner, strict=True):
        fine = [min(max((cut - start) * expansion, 0), n) for cut in lines]
        inside = [i for i, (a, b) in enumerate(itertools.pairwise(fine)) if a < b]
        cuts.append(tuple(fine[inside[0] : inside[-1] + 2]))
        begins.append(inside[0])
    return Mesh((cuts[0], cuts[1]), background.rank(*begins), background.pitch, background.depth)


@cache
def layout(n: int, side: int, level: int, depth: int, size: int, balance: str, spread: int) -> Layout:
    """Return all pieces over `size` ranks: a background of n x n points, refinements of `side` of them.

    balance: over how many, and which, ranks a refinement is spread; fine-grain: the first `spread`, or all if
    that is 0; no-talk: those whose tiles it lies on; high-water: those that have nothing of the background.
    """
    expansion = 1 << level
    fine = (side - 1) * expansion + 1
    # Alone, one has all.
    apart = balance == "high-water" and size > 1
    groups = high_water(n, fine, size) if apart else (size, 0)
    background = mesh(n, groups[0], 0, depth)
    feeds = []
    for corner in corners(n, side):
        if balance == "no-talk":
            pieces = coinciding(background, corner, fine, expansion)
        elif apart:
            pieces = mesh(fine, groups[1], groups[0], depth)
        else:
            pieces = mesh(fine, min(spread or size, size), 0, depth)
        feeds.append(Feed(background, pieces, corner, expansion))
    return Layout(background, tuple(feeds))


def corners(n: int, side: int) -> list[tuple[int, int]]:
    """Return row and column of each refinement's first point; PRK_SPEC has them as (x, y)."""
    far = n - side
    return [(0, 0), (far, far), (far, 0), (0, far)]


@cache
def high_water(n: int, fine: int, size: int) -> tuple[int, int]:
    """Return how many of `size` ranks the background gets, and how many the refinements (PRK_SPEC, AMR).

    As many as their points ask for, moved by less than what the smaller group has towards rank grids that are
    more nearly square.
    """
    background = min(size - 1, max(1, ceil(size * n**2 / (n**2 + fine**2))))
    refinement = size - background

    def penalty(ranks: int) -> float:
        short = max(1 - ranks / background, 1 - (size - ranks) / refinement)
        aspect = max(py / px for px, py in map(decomposition.grid, (ranks, size - ranks)))
        return 3 * short + (1 - 1 / aspect)

    less = min(background, refinement) - 1
    best = min(range(background + less, background - less - 1, -1), key=penalty)
    return best, size - best
