"""A tile of cells: the charges of its mesh points, and the particles that are in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prk import memory
from prk.check import Fields, Keyed
from prk.decomposition import Box as Cells
from prk.pic import audit, loops, placement
from prk.pic.particles import Particles
from prk.pic.placement import ID, ROWS, VX, VY, X, Y
from prk.pic.problem import Pic

# What is saved of a tile.
SAVED = ("box", "particles", "removed", "charges")


class Tile:
    """A box of cells, with the charges of the points behind its end besides its own.

    Particles that an event has removed are kept as rows with the repetition before which that was: they are
    part of the answer.
    """

    def __init__(self, problem: Pic, box: Cells):
        self.problem, self.box = problem, box
        (x0, x1), (y0, y1) = box
        self.charges = memory.empty((x1 - x0 + 1, y1 - y0 + 1))
        self.charges[:] = problem.charges(x0, x1 + 1, y0, y1 + 1)
        self.particles = Particles()
        # By how much the last step moved all of them together, along x and along y.
        self.far = np.zeros(2)
        self.removed = [np.empty((0, ROWS + 1))]
        self.start(problem.population.initial)

    def __getstate__(self) -> dict[str, Any]:
        """Pack it, without the room that it does not need."""
        return {"problem": self.problem, **self.save()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.problem = state["problem"]
        self.restore(state)

    @staticmethod
    def packed(problem: Pic, values: Sequence[np.ndarray]) -> "Tile":
        """Return a tile of the values, in their order, of what another one saved."""
        made = Tile.__new__(Tile)
        made.__setstate__({"problem": problem, **dict(zip(SAVED, values, strict=True))})
        return made

    def start(self, source: placement.Source) -> None:
        """Place the particles of a source that start here."""
        (x0, x1), (y0, y1) = self.box
        where = x0, x1, y0, y1, self.problem.charge, float(self.problem.m)
        rows = memory.empty((placement.place(source, *where, np.empty((0, ROWS))), ROWS))
        placement.place(source, *where, rows)
        if self.problem.audit:
            cells = np.floor(rows[:, [X, Y]]).T
            rows[:, X], rows[:, Y] = audit.starts(self.problem, rows[:, ID].astype(np.int64), *cells)
        self.particles.append(rows)

    def happen(self, step: int) -> None:
        """Add and remove particles, as the events before a repetition say."""
        population = self.problem.population
        for number, event in enumerate(population.events):
            if event.step != step:
                continue
            if event.add:
                self.start(population.added[number])
            else:
                self.remove(step, (event.left, event.right + 1, event.bottom, event.top + 1))

    def remove(self, step: int, region: Sequence[int]) -> None:
        """Take the particles in the cells of a region out."""
        one = self.particles
        rows = one.take(loops.inside(one.rows, one.held, *region, one.found))
        self.removed.append(np.column_stack([rows, np.full(len(rows), float(step))]))

    def push(self) -> int:
        """Move the particles by a step; return how many have left, whose places are noted."""
        one, (columns, rows) = self.particles, self.box
        return loops.push(
            one.rows, 0, one.held, self.charges, *columns, *rows, float(self.problem.n), one.found, self.far
        )

    def become(self, box: Cells, charges: np.ndarray) -> int:
        """Take other borders; return how many particles are beyond them, whose places are noted."""
        self.box, self.charges = box, charges
        one = self.particles
        return loops.outside(one.rows, 0, one.held, *box[0], *box[1], one.found, 0)

    def keyed(self, done: int) -> Keyed:
        """Return all particles, and when their lives ended: now, after `done` repetitions, or before."""
        one, removed = self.particles, np.concatenate(self.removed)
        numbers = np.concatenate([one.rows[ID, : one.held], removed[:, ID]]).astype(np.int64)
        values = np.empty((numbers.size, 5))
        for column, what in enumerate((X, Y, VX, VY)):
            values[: one.held, column] = one.rows[what, : one.held]
            values[one.held :, column] = removed[:, what]
        values[: one.held, 4], values[one.held :, 4] = done, removed[:, ROWS]
        return Keyed(numbers, values)

    def mesh(self) -> Keyed:
        """Return the charges of its own points, column by column."""
        (x0, x1), (y0, y1) = self.box
        numbers = np.arange(x0, x1)[:, None] * self.problem.n + np.arange(y0, y1)
        return Keyed(numbers.ravel(), self.charges[:-1, :-1].ravel())

    def save(self) -> dict[str, np.ndarray]:
        """Return a copy of all that it holds."""
        one = self.particles
        return {
            "box": np.array(self.box),
            "particles": one.rows[:, : one.held].T.copy(),
            "removed": np.concatenate(self.removed),
            "charges": self.charges.copy(),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up what `save` returned."""
        columns, rows = state["box"].tolist()
        self.box = tuple(columns), tuple(rows)
        self.charges, self.removed = state["charges"].copy(), [state["removed"].copy()]
        self.particles, self.far = Particles(), np.zeros(2)
        self.particles.append(state["particles"])


def fields(tiles: Sequence[Tile], done: int) -> Fields:
    """Return what several tiles hold after `done` repetitions."""
    return {
        "particles": together([tile.keyed(done) for tile in tiles], (0, 5)),
        "mesh": together([tile.mesh() for tile in tiles], (0,)),
    }


def together(parts: Sequence[Keyed], empty: tuple[int, ...]) -> Keyed:
    """Return several keyed fields as one; one of this shape if there are none."""
    keys, values = [np.empty(0, np.int64)], [np.empty(empty)]
    keys += [part.keys for part in parts]
    values += [part.values for part in parts]
    return Keyed(np.concatenate(keys), np.concatenate(values))
