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
        return self._taken(count, np.zeros(count, np.int64), np.array([count]))

    def sorted(
        self, count: int, columns: np.ndarray, rows: np.ndarray, slots: np.ndarray, partners: int
    ) -> Sequence[np.ndarray]:
        """Return the first `count` of those found as rows for each slot of an owner, and have them no longer.

        Raises RuntimeError if somebody goes to where nobody is expected from here.
        """
        counts, to = np.zeros(partners, np.int64), np.empty(count, np.int64)
        known = loops.sort(self.rows, self.found[:count], columns, rows, slots, to, counts)
        if known < count:
            raise RuntimeError(f"{count - known} particles leave for tiles that are no neighbours")
        places = np.cumsum(counts)
        out = self._taken(count, to, places)
        return [out[first : first + size] for first, size in zip(places, counts, strict=True)]

    def _taken(self, count: int, to: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the first `count` of those found as rows by their slots.

        places: where each slot's end, and afterwards begin.
        """
        out = memory.empty((count, ROWS))
        self.held = loops.take(self.rows, self.held, self.found[:count], to, places, out)
        return out
