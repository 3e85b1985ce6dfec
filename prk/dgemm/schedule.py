"""SUMMA's schedule: which panels there are, who owns them, and who passes them on to whom. Pure.

The k-th column of A and the k-th row of B meet in every element of C. A panel is some of these, all owned by
one column and by one row of the grid: its columns of A go along the rows, its rows of B along the columns.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from math import isqrt
from typing import NamedTuple

from prk import decomposition


def grid(size: int) -> tuple[int, int]:
    """Return the rows and columns of the grid of `size` ranks, which are numbered row by row."""
    rows = next(d for d in range(isqrt(size), 0, -1) if size % d == 0)
    return rows, size // rows


class Panel(NamedTuple):
    """The half-open range of k that a panel has."""

    start: int
    stop: int

    @property
    def width(self) -> int:
        return self.stop - self.start


def panels(n: int, size: int, width: int) -> list[Panel]:
    """Return the panels, as wide as `width` or what is left of the owners' columns of A and rows of B."""
    ends = {stop for cut in grid(size) for _, stop in blocks(n, cut)}
    return [
        Panel(first, min(first + width, stop))
        for start, stop in pairwise([0, *sorted(ends)])
        for first in range(start, stop, width)
    ]


def blocks(n: int, parts: int) -> list[tuple[int, int]]:
    """Return the half-open ranges of n items that each of the parts owns."""
    return [decomposition.block(n, parts, index) for index in range(parts)]


@dataclass(frozen=True)
class Line:
    """A row of the grid, with the panels of A, or a column of it, with those of B, as one rank sees it.

    Panels go round a ring of groups of ranks. In each of them the owner or, where it is in another group, the
    first rank of the line holds a panel for its mates.
    """

    ranks: Sequence[int]
    rank: int
    # Where the k of each rank begin.
    starts: Sequence[int]
    panels: Sequence[Panel]
    # Consecutive ranks, of the whole team, that share what they hold.
    group: int = 1

    @cached_property
    def groups(self) -> list[list[int]]:
        """Return the line's ranks, group by group."""
        return [list(several) for _, several in groupby(self.ranks, lambda rank: rank // self.group)]

    @cached_property
    def here(self) -> int:
        """Return which of the line's groups this rank is in."""
        return next(index for index, group in enumerate(self.groups) if self.rank in group)

    def place(self, number: int) -> int:
        """Return the place in the line of a panel's owner."""
        return bisect_right(self.starts, self.panels[number].start) - 1

    def owner(self, number: int) -> int:
        """Return the rank that owns a panel."""
        return self.ranks[self.place(number)]

    def own(self, number: int) -> bool:
        """Tell whether a panel is this rank's own."""
        return self.owner(number) == self.rank

    def within(self, number: int) -> slice:
        """Return where in its owner's block a panel lies."""
        start = self.starts[self.place(number)]
        return slice(*(k - start for k in self.panels[number]))

    def holder(self, number: int, index: int | None = None) -> int:
        """Return the rank that holds a panel in a group of the line, by default in this rank's."""
        group = self.groups[self.here if index is None else index]
        owner = self.owner(number)
        return owner if owner in group else group[0]

    def source(self, number: int) -> int | None:
        """Return the rank from which a panel comes to this one, or None if it does not."""
        if self.holder(number) != self.rank or self.own(number):
            return None
        return self.holder(number, self.here - 1)

    def to(self, number: int) -> int | None:
        """Return the rank to which this one passes a panel on, or None if it does not."""
        after = (self.here + 1) % len(self.groups)
        if self.holder(number) != self.rank or self.owner(number) in self.groups[after]:
            return None
        return self.holder(number, after)

    def passed_on(self) -> list[Panel]:
        """Return the panels that this rank passes on."""
        return [panel for number, panel in enumerate(self.panels) if self.to(number) is not None]

    def of_others(self) -> list[Panel]:
        """Return the panels that are not this rank's own."""
        return [panel for number, panel in enumerate(self.panels) if not self.own(number)]


def lines(n: int, size: int, rank: int, width: int, group: int = 1) -> tuple[Line, Line]:
    """Return the rank's row of the grid, along which A's panels go, and its column, along which B's do."""
    rows, columns = grid(size)
    row, column = divmod(rank, columns)
    every = panels(n, size, width)
    starts = [[start for start, _ in blocks(n, cut)] for cut in (columns, rows)]
    return (
        Line(range(row * columns, (row + 1) * columns), rank, starts[0], every, group),
        Line(range(column, size, columns), rank, starts[1], every, group),
    )
