"""Which tile of cells belongs to whom, how borders follow the load, and who gives whom what. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prk import decomposition
from prk.decomposition import Box

# A part of an axis: from where to where, and where it begins in its taker's own part.
Share = tuple[int, int, int]
# What parts may have more than with other borders before these move: moving is paid with time as well.
SLACK = 0.01


@dataclass(frozen=True)
class Cuts:
    """The borders of all tiles: those of their columns and of their rows, from 0 to the grid's cells a side.

    Rank ix + iy * Px has column ix and row iy of the tiles (PRK_SPEC, conventions).
    """

    x: tuple[int, ...]
    y: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, int]:
        return len(self.x) - 1, len(self.y) - 1

    @property
    def n(self) -> int:
        return self.x[-1]

    def box(self, rank: int) -> Box:
        """Return the half-open ranges of a rank's columns and rows."""
        iy, ix = divmod(rank, self.grid[0])
        return (self.x[ix], self.x[ix + 1]), (self.y[iy], self.y[iy + 1])

    @cached_property
    def owners(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what a cell's column and what its row add to the rank of its owner."""
        px, py = self.grid
        return (
            np.repeat(np.arange(px), np.diff(self.x)),
            np.repeat(np.arange(0, px * py, px), np.diff(self.y)),
        )

    def neighbours(self, rank: int) -> list[int]:
        """Return the up to eight other ranks whose tiles meet this one's; the grid is periodic."""
        (px, py), (iy, ix) = self.grid, divmod(rank, self.grid[0])
        found = {(ix + a) % px + (iy + b) % py * px for a in (-1, 0, 1) for b in (-1, 0, 1)}
        return sorted(found - {rank})

    def slots(self, partners: Sequence[int]) -> np.ndarray:
        """Return for each rank which of the partners it is; -1 if none."""
        found = np.full(self.grid[0] * self.grid[1], -1)
        found[list(partners)] = np.arange(len(partners))
        return found


def even(n: int, size: int) -> Cuts:
    """Return tiles of as many cells each as can be."""
    return divided(n, *decomposition.grid(size))


def divided(n: int, px: int, py: int) -> Cuts:
    """Return so many columns and rows of tiles, of as many cells each as can be."""
    x, y = ((*(decomposition.block(n, parts, i)[0] for i in range(parts)), n) for parts in (px, py))
    return Cuts(x, y)


def blocks(n: int, workers: int, each: int) -> tuple[Cuts, list[int]]:
    """Return the blocks of all workers, so many each, and which worker's tile each of them lies in."""
    (px, py), (bx, by) = decomposition.grid(workers), decomposition.grid(each)
    cuts = divided(n, px * bx, py * by)
    return cuts, [ix // bx + iy // by * px for iy in range(py * by) for ix in range(px * bx)]


def balanced(load: np.ndarray, cuts: Sequence[int], least: int) -> tuple[tuple[int, ...], int]:
    """Return borders that divide the load of cells evenly, and how many of them stand where they do only
    because a part would be narrower than `least` otherwise."""
    parts, n = len(cuts) - 1, load.size
    sums = _sums(load)
    wanted = sums[-1] * np.arange(1, parts) / parts
    after = np.searchsorted(sums, wanted)
    # Whichever side of the cell in which the load is reached comes nearer.
    nearer = np.abs(sums[np.maximum(after - 1, 0)] - wanted) < np.abs(sums[after] - wanted)
    found, held = _widened((after - nearer).tolist(), n, least)
    return (found if _pays(sums, cuts, found) else tuple(cuts)), held


def diffused(load: np.ndarray, cuts: Sequence[int], least: int) -> tuple[tuple[int, ...], int]:
    """Return borders each of which was moved by what its two neighbours alone know, to where they have equal
    loads, and how many of them did not go as far because a part would be narrower than `least`."""
    sums = _sums(load)
    moved, held = [0], 0
    for left, middle, right in zip(cuts, cuts[1:], cuts[2:], strict=False):
        wanted = (sums[left] + sums[right]) / 2
        inner = sums[left : right + 1]
        best = left + int(np.abs(inner - wanted).argmin())
        if not _pays(sums, (left, middle, right), (left, best, right)):
            best = middle
        # A part may lose half of what it can spare at either end.
        low, high = middle - (middle - left - least) // 2, middle + (right - middle - least) // 2
        moved.append(min(max(best, low), high))
        held += moved[-1] != best
    return (*moved, cuts[-1]), held


def ahead(load: np.ndarray, far: int, steps: float) -> np.ndarray:
    """Return where the load of cells will be so many steps later, if each takes it as far as the last one.

    far: how many cells that took all of it together. The axis is periodic.
    """
    total = int(load.sum())
    return np.roll(load, round(steps * far / total)) if total else load


def _sums(load: np.ndarray) -> np.ndarray:
    """Return the load of all cells before each one, and of all."""
    return np.concatenate([[0], np.cumsum(load)])


def _pays(sums: np.ndarray, old: Sequence[int], new: Sequence[int]) -> bool:
    """Tell whether the fullest part has less with the new borders, by more than is let pass."""
    before, after = (np.diff(sums[list(cuts)]).max() for cuts in (old, new))
    return bool(after < (1 - SLACK) * before)


def _widened(best: Sequence[int], n: int, least: int) -> tuple[tuple[int, ...], int]:
    """Return the borders with 0 and n, moved where a part would be narrower than `least`; count the moved."""
    found, parts = [0], len(best) + 1
    for i, border in enumerate(best, 1):
        found.append(min(max(border, found[-1] + least), n - (parts - i) * least))
    return (*found, n), sum(a != b for a, b in zip(best, found[1:], strict=True))


def refined(load: Sequence[float], owners: Sequence[int], workers: int) -> list[int]:
    """Return who owns each block after blocks went from the busiest worker to the least busy one, as long as
    that makes the busier of the two less busy."""
    found = list(owners)
    sums = np.bincount(found, load, workers)
    while True:
        busiest, idle = int(sums.argmax()), int(sums.argmin())
        gap = sums[busiest] - sums[idle]
        there = [block for block, owner in enumerate(found) if owner == busiest and 0 < load[block] < gap]
        if not there:
            return found
        best = min(there, key=lambda block: abs(load[block] - gap / 2))
        found[best] = idle
        sums[busiest] -= load[best]
        sums[idle] += load[best]


def shares(old: Sequence[int], new: Sequence[int], giver: int, taker: int) -> list[Share]:
    """Return what of an axis's mesh points part `taker` of the new borders gets from part `giver` of the old.

    It holds its own points, and behind them the next one, which is the first again at the grid's end.
    """
    first, last = new[taker], new[taker + 1]
    behind = last % new[-1]
    found = []
    for start, stop, at in ((first, last, 0), (behind, behind + 1, last - first)):
        a, b = max(start, old[giver]), min(stop, old[giver + 1])
        if a < b:
            found.append((a, b, at + a - start))
    return found


def moves(old: Cuts, new: Cuts, giver: int, taker: int) -> list[tuple[Share, Share]]:
    """Return the boxes of mesh points that rank `taker` of the new tiles gets from `giver` of the old."""
    (gy, gx), (ty, tx) = divmod(giver, old.grid[0]), divmod(taker, old.grid[0])
    return [(x, y) for x in shares(old.x, new.x, gx, tx) for y in shares(old.y, new.y, gy, ty)]


def partners(old: Cuts, new: Cuts, rank: int) -> list[int]:
    """Return the other ranks that give this one mesh points or take some when the borders move."""
    px, py = old.grid
    iy, ix = divmod(rank, px)
    gives = [
        [i for i in range(parts) if shares(*borders, own, i)]
        for parts, own, borders in ((px, ix, (old.x, new.x)), (py, iy, (old.y, new.y)))
    ]
    takes = [
        [i for i in range(parts) if shares(*borders, i, own)]
        for parts, own, borders in ((px, ix, (old.x, new.x)), (py, iy, (old.y, new.y)))
    ]
    return sorted({x + y * px for way in (gives, takes) for x in way[0] for y in way[1]} - {rank})
