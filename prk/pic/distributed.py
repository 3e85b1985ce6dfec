"""PIC on several members: who has left a tile goes to a neighbour, and borders follow the load.

A runtime adds how arrays are exchanged and counts are summed, and nothing else.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

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
        # A load that drifts favours one member in the first half of a period and another one in the second:
        # they are told apart.
        self.halves = {self.options["period"] // 2, self.options["period"]}
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
        """Begin half a period."""
        self.work, self.seconds = 0, 0.0
        self.look: dict[str, Any] = {}

    def send(self, leaving: int) -> None:
        self.hand_over(leaving, self.neighbours, self.slots)

    def hand_over(self, leaving: int, partners: Sequence[int], slots: np.ndarray) -> None:
        """Give particles whose places are noted to the partners whose tiles they are in; take what comes."""
        one = self.tile.particles
        out = one.sorted(leaving, *self.cuts.owners, slots, len(partners))
        for rows in self.exchange(partners, out):
            one.append(rows.reshape(-1, ROWS))

    def step(self) -> None:
        begun = (self.done - 1) % self.options["period"]
        if self.balanced and self.done and begun == 0:
            self.balance()
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
        elif self.done == self.problem.repetitions or begun + 1 in self.halves:
            self.periods.append(Period(self.done, self.work, self.seconds, **self.look))
            self.begin()

    def balance(self) -> None:
        """Begin a period: look at the load of all members, and move borders."""
        start = perf_counter()
        cuts, held = self.wanted()
        moved = self.recut(cuts) if cuts != self.cuts else 0
        self.look = {"balancing": perf_counter() - start, "moved": moved, "held": held}

    def wanted(self) -> tuple[Cuts, int]:
        """Return borders that suit the load, and how many of them did not move as far as they should.

        What they are to suit is where the load will be in the middle of the period, going on as it went in
        the last step: where the particles were moved to is measured, and no formula is asked.
        """
        one, n = self.tile.particles, self.problem.n
        found = np.zeros((2, n + 1), np.int64)
        for axis, row in enumerate((X, Y)):
            loops.histogram(one.rows[row, : one.held], found[axis, :n])
        found[:, n] = np.rint(self.tile.far)
        found, held = self.total(found), 0
        steps = min(self.options["period"], self.problem.repetitions - self.done)
        cuts = [self.cuts.x, self.cuts.y]
        for axis in AXES[self.options["axes"]]:
            load = schedule.ahead(found[axis, :n], int(found[axis, n]), (steps - 1) / 2)
            cuts[axis], some = FIND[self.options["balance"]](load, cuts[axis], self.problem.least[axis])
            held += some
        return Cuts(*cuts), held

    def recut(self, new: Cuts) -> int:
        """Move the borders, and with them mesh and particles; return how many particles this member gives."""
        rank, old = self.comm.rank, self.cuts
        partners = schedule.partners(old, new, rank)
        came = self.exchange(partners, [packed(self.given(new, to)) for to in partners])
        (x0, x1), (y0, y1) = new.box(rank)
        charges = memory.empty((x1 - x0 + 1, y1 - y0 + 1))
        for giver, values in zip(partners, came, strict=True):
            boxes = schedule.moves(old, new, giver, rank)
            sizes = [(b - a) * (d - c) for (a, b, _), (c, d, _) in boxes]
            fill(charges, boxes, np.split(values, np.cumsum(sizes)))
        fill(charges, schedule.moves(old, new, rank, rank), self.given(new, rank))
        self.cuts = new
        leaving = self.tile.become(new.box(rank), charges)
        self.hand_over(leaving, partners, new.slots(partners))
        self.meet()
        return leaving

    def given(self, new: Cuts, to: int) -> list[np.ndarray]:
        """Return the charges that a member of the new tiles gets from this one's, where they stand."""
        (x0, _), (y0, _) = self.tile.box
        boxes = schedule.moves(self.cuts, new, self.comm.rank, to)
        return [self.tile.charges[a - x0 : b - x0, c - y0 : d - y0] for (a, b, _), (c, d, _) in boxes]

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.periods = [period for period in self.periods if period.repetition <= repetition]
        self.begin()
        self.meet()


def packed(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Return charges one after the other."""
    return np.concatenate([np.empty(0), *(piece.ravel() for piece in pieces)])


def fill(charges: np.ndarray, boxes: Sequence[tuple[Share, Share]], pieces: Sequence[np.ndarray]) -> None:
    """Put the charges that one member gave where they belong."""
    for ((a, b, x), (c, d, y)), piece in zip(boxes, pieces, strict=False):
        charges[x : x + b - a, y : y + d - c] = piece.reshape(b - a, d - c)
