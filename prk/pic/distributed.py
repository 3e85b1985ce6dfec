"""PIC on several members: who has left a tile goes to a neighbour, and borders follow the load.

A runtime adds how arrays are exchanged and counts are summed, and nothing else.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np

from prk import memory
from prk.kernel import Period
from prk.pic import loops, schedule, serial
from prk.pic.placement import ROWS, X, Y
from prk.pic.schedule import Cuts, Share

# How borders are found, by the balance that is asked for; the axes on which they move.
FIND = {"tiles": schedule.balanced, "diffusive": schedule.diffused}
AXES = {"x": (0,), "y": (1,), "both": (0, 1)}


class Kernel(serial.Kernel):
    """This member's tile, whose borders may move."""

    def setup(self) -> None:
        super().setup()
        self.periods: list[Period] = []
        self.balanced = self.options["balance"] in FIND
        self.meet()
        self.begin()
        if self.balanced:
            # Whatever it compiles and connects is there before the clock starts.
            self.wanted()
            self.recut(self.cuts)

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give each partner its array of doubles, whose length it does not know; return what each one gave.

        All partners of a member have it as theirs.
        """
        raise NotImplementedError

    def total(self, counts: np.ndarray) -> np.ndarray:
        """Return the sums of all members' counts, element by element. Collective."""
        raise NotImplementedError

    def meet(self) -> None:
        """Find out who the neighbours are."""
        self.neighbours = self.cuts.neighbours(self.comm.rank)
        self.slots = self.slots_of(self.neighbours)

    def slots_of(self, partners: Sequence[int]) -> np.ndarray:
        """Return for each rank which of the partners it is; -1 if none."""
        found = np.full(self.comm.size, -1)
        found[list(partners)] = np.arange(len(partners))
        return found

    def begin(self) -> None:
        """Begin a period."""
        self.work, self.seconds = 0, 0.0

    def push(self) -> int:
        start = perf_counter()
        leaving = super().push()
        self.seconds += perf_counter() - start
        self.work += self.particles.held
        return leaving

    def send(self, leaving: int) -> None:
        self.hand_over(leaving, self.neighbours, self.slots)

    def hand_over(self, leaving: int, partners: Sequence[int], slots: np.ndarray) -> None:
        """Give particles whose places are noted to the partners whose tiles they are in; take what comes."""
        one = self.particles
        out = one.sorted(leaving, *self.cuts.owners, slots, len(partners))
        for rows in self.exchange(partners, out):
            one.append(rows.reshape(-1, ROWS))

    def step(self) -> None:
        super().step()
        if self.done == 1:
            # The warm-up compiles, and is no part of a period.
            self.begin()
        elif self.done == self.problem.repetitions:
            self.periods.append(Period(self.done, self.work, self.seconds))
        elif self.done % self.options["period"] == 0:
            self.balance()
            self.begin()

    def balance(self) -> None:
        """End a period: look at the load of all members, and move borders."""
        start, moved, held = perf_counter(), 0, 0
        if self.balanced:
            cuts, held = self.wanted()
            moved = self.recut(cuts) if cuts != self.cuts else 0
        spent = perf_counter() - start
        self.periods.append(Period(self.done, self.work, self.seconds, spent, moved, held))

    def wanted(self) -> tuple[Cuts, int]:
        """Return borders that suit the load, and how many of them did not move as far as they should."""
        one, n = self.particles, self.problem.n
        counts = np.zeros((2, n), np.int64)
        for axis, row in enumerate((X, Y)):
            loops.histogram(one.rows[row, : one.held], counts[axis])
        load, held = self.total(counts), 0
        cuts = [self.cuts.x, self.cuts.y]
        for axis in AXES[self.options["axes"]]:
            cuts[axis], some = FIND[self.options["balance"]](load[axis], cuts[axis], self.problem.least[axis])
            held += some
        return Cuts(*cuts), held

    def recut(self, new: Cuts) -> int:
        """Move the borders, and with them mesh and particles; return how many particles this member gives."""
        rank, old = self.comm.rank, self.cuts
        partners = schedule.partners(old, new, rank)
        came = self.exchange(partners, [self.given(new, to) for to in partners])
        pieces = {rank: self.given(new, rank), **dict(zip(partners, came, strict=True))}
        self.cuts, self.box = new, new.box(rank)
        (x0, x1), (y0, y1) = self.box
        self.charges = memory.empty((x1 - x0 + 1, y1 - y0 + 1))
        for giver, values in pieces.items():
            self.fill(schedule.moves(old, new, giver, rank), values)
        one = self.particles
        leaving = loops.outside(one.rows, 0, one.held, x0, x1, y0, y1, one.found, 0)
        self.hand_over(leaving, partners, self.slots_of(partners))
        self.meet()
        return int(leaving)

    def given(self, new: Cuts, to: int) -> np.ndarray:
        """Return the charges that a member of the new tiles gets from this one's."""
        (x0, _), (y0, _) = self.box
        boxes = schedule.moves(self.cuts, new, self.comm.rank, to)
        parts = [self.charges[a - x0 : b - x0, c - y0 : d - y0].ravel() for (a, b, _), (c, d, _) in boxes]
        return np.concatenate(parts) if parts else np.empty(0)

    def fill(self, boxes: Sequence[tuple[Share, Share]], values: np.ndarray) -> None:
        """Put the charges that one member gave where they belong."""
        start = 0
        for (a, b, x), (c, d, y) in boxes:
            size = (b - a) * (d - c)
            self.charges[x : x + b - a, y : y + d - c] = values[start : start + size].reshape(b - a, d - c)
            start += size

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.meet()
