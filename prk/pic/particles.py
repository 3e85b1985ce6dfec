"""The particles of one tile: a structure of arrays that grows as they come."""

from collections.abc import Sequence

import numpy as np

from prk import memory
from prk.pic import loops
from prk.pic.placement import ROWS

# How much more room there is than particles when it has to grow.
GROWTH = 1.25


class Particles:
    """Rows x, y, vx, vy, charge and number, of which the first `held` columns are particles."""

    def __init__(self, room: int = 0):
        self.held = 0
        self.rows = memory.empty((ROWS, room))
        # Places of those that leave.
        self.found = memory.empty(room, np.int64)

    def reserve(self, more: int) -> None:
        """Make room for so many more particles."""
        if self.held + more > self.found.size:
            grown = Particles(int(GROWTH * (self.held + more)) + loops.BLOCK)
            grown.rows[:, : self.held] = self.rows[:, : self.held]
            self.rows, self.found = grown.rows, grown.found

    def append(self, rows: np.ndarray) -> None:
        """Take up particles as rows (count, 6)."""
        self.reserve(len(rows))
        self.held = loops.append(self.rows, self.held, rows)

    def take(self, count: int) -> np.ndarray:
        """Return the first `count` of those found as rows, and have them no longer."""
        out, found = memory.empty((count, ROWS)), self.found[:count]
        loops.take(self.rows, found, out)
        self.held = loops.close_gaps(self.rows, self.held, found)
        return out

    def sorted(
        self, count: int, columns: np.ndarray, rows: np.ndarray, slots: np.ndarray, partners: int
    ) -> Sequence[np.ndarray]:
        """Return the first `count` of those found as rows for each slot of an owner, and have them no longer.

        Raises RuntimeError if somebody goes to where nobody is expected from here.
        """
        counts, found = np.zeros(partners, np.int64), self.found[:count]
        if lost := loops.sort(self.rows, found, columns, rows, slots, counts):
            raise RuntimeError(f"{lost} particles leave for tiles that are no neighbours")
        ends = np.cumsum(counts)
        out, places = memory.empty((count, ROWS)), ends - counts
        loops.pack(self.rows, found, columns, rows, slots, places, out)
        self.held = loops.close_gaps(self.rows, self.held, found)
        return [out[end - size : end] for end, size in zip(ends, counts, strict=True)]
