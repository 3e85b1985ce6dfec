"""PIC on several members: who has left a tile goes to a neighbour, and borders follow the load.

A runtime adds how arrays are exchanged and counts are summed, and nothing else.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np

from prk import memory
from prk.kernel import Period
from prk.pic import loops, population, schedule, serial
from prk.pic.placement import ROWS, X, Y
from prk.pic.schedule import Cuts, Share

# How borders are found, by the balance that is asked for; the axes on which they move.
FIND = {"tiles": schedule.balanced, "diffusive": schedule.diffused}
AXES = {"x": (0,), "y": (1,), "both": (0, 1)}


class Kernel(serial.Kernel):
    """This member's tile, whose borders may move."""

    def setup(self) -> None:
        problem, comm = self.problem, self.comm
        population.share(problem, self.total(population.part(problem, comm.rank, comm.size)))
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
        """Return the sums of all members' counts, element by element. Collective.

        They go up a binary tree, and what they come to down again. All take part in every exchange.
        """
        rank, found, below = self.comm.rank, counts.astype(float), []
        for step in (1 << level for level in range((self.comm.size - 1).bit_length())):
            child = [rank + step] if rank % (2 * step) == 0 and rank + step < self.comm.size else []
            parent = [rank - step] if rank % (2 * step) == step else []
            for came in self.exchange(child + parent, [np.empty(0)] * len(child) + [found] * len(parent)):
                found = found + came.reshape(counts.shape) if came.size else found
            below.append((child, parent))
        for child, parent in reversed(below):
            for came in self.exchange(child + parent, [found] * len(child) + [np.empty(0)] * len(parent)):
                found = came.reshape(counts.shape) if came.size else found
        return found.astype(np.int64)

    def meet(self) -> None:
        """Find out who the neighbours are."""
        self.neighbours = self.cuts.neighbours(self.comm.rank)
        self.slots = self.cuts.slots(self.neighbours)

    def begin(self) -> None:
        """Begin a period."""
        self.work, self.seconds = 0, 0.0

    def send(self, leaving: int) -> None:
        self.hand_over(leaving, self.neighbours, self.slots)

    def hand_over(self, leaving: int, partners: Sequence[int], slots: np.ndarray) -> None:
        """Give particles whose places are noted to the partners whose tiles they are in; take what comes."""
        one = self.tile.particles
        out = one.sorted(leaving, *self.cuts.owners, slots, len(partners))
        for rows in self.exchange(partners, out):
            one.append(rows.reshape(-1, ROWS))

    def step(self) -> None:
        self.tile.happen(self.done)
        start = perf_counter()
        leaving = self.push()
        self.seconds += perf_counter() - start
        self.work += self.tile.particles.held
        self.send(leaving)
        self.done += 1
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
        found = Period(self.done, self.work, self.seconds)
        if self.balanced:
            start = perf_counter()
            cuts, held = self.wanted()
            moved = self.recut(cuts) if cuts != self.cuts else 0
            found = found._replace(balancing=perf_counter() - start, moved=moved, held=held)
        self.periods.append(found)

    def wanted(self) -> tuple[Cuts, int]:
        """Return borders that suit the load, and how many of them did not move as far as they should."""
        one, n = self.tile.particles, self.problem.n
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
        (x0, x1), (y0, y1) = new.box(rank)
        charges = memory.empty((x1 - x0 + 1, y1 - y0 + 1))
        for giver, values in pieces.items():
            fill(charges, schedule.moves(old, new, giver, rank), values)
        self.cuts = new
        leaving = self.tile.become(new.box(rank), charges)
        self.hand_over(leaving, partners, new.slots(partners))
        self.meet()
        return leaving

    def given(self, new: Cuts, to: int) -> np.ndarray:
        """Return the charges that a member of the new tiles gets from this one's."""
        (x0, _), (y0, _) = self.tile.box
        charges = self.tile.charges
        boxes = schedule.moves(self.cuts, new, self.comm.rank, to)
        parts = [charges[a - x0 : b - x0, c - y0 : d - y0].ravel() for (a, b, _), (c, d, _) in boxes]
        return np.concatenate(parts) if parts else np.empty(0)

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.meet()


def fill(charges: np.ndarray, boxes: Sequence[tuple[Share, Share]], values: np.ndarray) -> None:
    """Put the charges that one member gave where they belong."""
    start = 0
    for (a, b, x), (c, d, y) in boxes:
        size = (b - a) * (d - c)
        charges[x : x + b - a, y : y + d - c] = values[start : start + size].reshape(b - a, d - c)
        start += size
