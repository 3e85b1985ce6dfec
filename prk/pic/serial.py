"""PIC, serial: one tile, which its particles only leave to come in at the other side."""

from collections.abc import Mapping

import numpy as np

from prk import kernel, memory
from prk.check import Box, Fields, Keyed
from prk.pic import audit, loops, placement, schedule
from prk.pic.particles import Particles
from prk.pic.placement import ID, ROWS, VX, VY, Q, X, Y
from prk.pic.problem import Pic


class Kernel(kernel.Kernel[Pic]):
    """This member's tile: its charges, with those of the points behind its end, and the particles in it.

    Particles that an event has removed are kept as rows with their steps: they are part of the answer.
    """

    def setup(self) -> None:
        self.population = self.problem.population
        self.done = 0
        self.cuts = schedule.even(self.problem.n, self.comm.size)
        self.box = self.cuts.box(self.comm.rank)
        (x0, x1), (y0, y1) = self.box
        self.charges = memory.empty((x1 - x0 + 1, y1 - y0 + 1))
        self.charges[:] = self.problem.charges(x0, x1 + 1, y0, y1 + 1)
        self.particles = Particles()
        self.removed = [np.empty((0, ROWS + 1))]
        self.start(self.population.initial)

    def start(self, source: placement.Source) -> None:
        """Place the particles of a source that start in this tile."""
        charge, speed = self.problem.charge, float(self.problem.m)
        (x0, x1), (y0, y1) = self.box
        where = x0, x1, y0, y1, charge, speed
        rows = memory.empty((placement.place(source, *where, np.empty((0, ROWS))), ROWS))
        placement.place(source, *where, rows)
        if self.problem.audit:
            cells = np.floor(rows[:, [X, Y]]).T
            rows[:, X], rows[:, Y] = audit.starts(self.problem, rows[:, ID].astype(np.int64), *cells)
        self.particles.append(rows)

    def happen(self) -> None:
        """Add and remove particles, as the events before this repetition say."""
        for number, event in enumerate(self.population.events):
            if event.step != self.done:
                continue
            if event.add:
                self.start(self.population.added[number])
            else:
                self.remove(event.left, event.right + 1, event.bottom, event.top + 1)

    def remove(self, *region: int) -> None:
        """Take the particles in the cells of a region out of this tile."""
        one = self.particles
        rows = one.take(loops.inside(one.rows, one.held, *region, one.found))
        self.removed.append(np.column_stack([rows, np.full(len(rows), float(self.done))]))

    def push(self) -> int:
        """Move this tile's particles by a step; return how many have left it, whose places are noted."""
        one, (columns, rows) = self.particles, self.box
        return loops.push(
            one.rows, 0, one.held, self.charges, *columns, *rows, float(self.problem.n), one.found
        )

    def send(self, leaving: int) -> None:
        """Give particles that have left this tile to the tiles that they are in, and take up what comes."""

    def step(self) -> None:
        self.happen()
        self.send(self.push())
        self.done += 1

    def fields(self) -> Fields:
        one, removed = self.particles, np.concatenate(self.removed)
        state = np.column_stack([one.rows[:ID, : one.held].T, np.full(one.held, float(self.done))])
        everything = np.concatenate([state, removed[:, [X, Y, VX, VY, Q, ROWS]]])[:, [X, Y, VX, VY, ID]]
        numbers = np.concatenate([one.rows[ID, : one.held], removed[:, ID]]).astype(np.int64)
        where = tuple(slice(*side) for side in self.box)
        return {"particles": Keyed(numbers, everything), "mesh": Box(where, self.charges[:-1, :-1])}

    def save(self) -> dict[str, np.ndarray]:
        one = self.particles
        return {
            "particles": one.rows[:, : one.held].T.copy(),
            "removed": np.concatenate(self.removed),
            "charges": self.charges.copy(),
            "x": np.array(self.cuts.x),
            "y": np.array(self.cuts.y),
        }

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.cuts = schedule.Cuts(tuple(state["x"].tolist()), tuple(state["y"].tolist()))
        self.box = self.cuts.box(self.comm.rank)
        self.charges, self.removed = state["charges"].copy(), [state["removed"].copy()]
        self.particles = Particles()
        self.particles.append(state["particles"])
        self.done = repetition
