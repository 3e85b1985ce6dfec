"""AMR: Stencil on a background grid, and on four refinements of it, one after the other (PRK_SPEC, AMR)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

import numpy as np

from prk.amr import schedule
from prk.amr.grid import Grid
from prk.amr.schedule import STRATEGIES, Layout, Mesh
from prk.check import Box, Check, Field, Fields, Largest, Partial, max_or_nan, rows_at_a_time
from prk.cost import Cost
from prk.coverage import Whole
from prk.problem import Balancing, Positional, Problem, Refusal, parameter
from prk.stencil.problem import Stencil

# Values of a field by row and column.
Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]
REFINEMENTS = range(4)
# Of levels: more would exceed the places of an address.
FINEST = 16


@dataclass(frozen=True, kw_only=True)
class Amr(Problem):
    """Sizes of AMR's background and refinements, when these live, and which members have them."""

    title: ClassVar[str] = "stencil on a background grid and on refinements that come and go"
    positional: ClassVar[Positional] = (
        "iterations", "n", "refinement", "level", "period", "duration", "sub", "balance", "spread",
    )  # fmt: skip
    relative: ClassVar[bool] = True
    balancing: ClassVar[Balancing] = Balancing("balance", "no-talk")

    n: int = parameter(1000, "the background has n x n points", label="Background grid size", size=True)
    refinement: int = parameter(
        100, "a refinement covers so many points squared", label="Refinement size", size=True
    )
    level: int = parameter(2, "a refinement is 2^level times as fine", label="Refinement level")
    # It is also after how many repetitions their costs repeat.
    period: int = parameter(2, "repetitions from one refinement to the next", label="Refinement period")
    duration: int = parameter(1, "repetitions that a refinement lives", label="Refinement duration")
    sub: int = parameter(5, "updates of a refinement in each of them", label="Refinement sub-iterations")
    radius: int = parameter(4, "reach of the star in points", label="Radius of stencil")
    balance: str = parameter(
        "fine-grain", "which members have the pieces of a refinement", STRATEGIES, label="Load balancer"
    )
    spread: int = parameter(
        0, "members that share a refinement with fine-grain; 0: all", label="Refinement rank spread"
    )

    @property
    def expansion(self) -> int:
        """Return how many times as close together the points of a refinement are."""
        return 1 << self.level

    @property
    def fine(self) -> int:
        """Return the points on a side of a refinement."""
        return (self.refinement - 1) * self.expansion + 1

    def layout(self, size: int) -> Layout:
        """Return where the pieces of all grids lie on `size` members."""
        return schedule.layout(
            self.n, self.refinement, self.level, self.radius, size, self.balance, self.spread
        )

    def grids(self, size: int) -> list[Grid]:
        """Return the background and the refinements, as problems of Stencil."""
        background, *refinements = self.layout(size).meshes
        return [
            Grid(n=self.n, radius=self.radius, mesh=background),
            *(
                Grid(n=self.fine, radius=self.radius, mesh=mesh, expansion=self.expansion)
                for mesh in refinements
            ),
        ]

    def living(self, repetition: int) -> int:
        """Return the refinement whose turn it is in a repetition."""
        return repetition // self.period % len(REFINEMENTS)

    def begins(self, repetition: int) -> bool:
        """Tell whether a refinement comes alive in a repetition."""
        return repetition % self.period == 0

    def lives(self, repetition: int) -> bool:
        """Tell whether a refinement is alive in a repetition."""
        return repetition % self.period < self.duration

    def alive(self, repetition: int) -> int | None:
        """Return the refinement that is alive in a repetition, or None."""
        return self.living(repetition) if self.lives(repetition) else None

    def load(self, rank: int, size: int, repetition: int) -> int:
        """Return how many points a member updates in a repetition."""
        background, *refinements = (prod(mesh.tile(rank).shape) for mesh in self.layout(size).meshes)
        number = self.alive(repetition)
        return background + (0 if number is None else self.sub * refinements[number])

    def since(self, number: int) -> tuple[int, int]:
        """Return how often the background, at a refinement's last interpolation, and that since were updated.

        The first is negative if the refinement never lived.
        """
        cycle = len(REFINEMENTS) * self.period
        full, rest = divmod(self.repetitions, cycle)
        born = full * cycle + number * self.period
        if born > self.iterations:
            return born - cycle, self.sub * self.duration
        return born, self.sub * min(rest - number * self.period, self.duration)

    def updates(self, number: int) -> int:
        """Return tau: how often a refinement was updated in all."""
        full, rest = divmod(self.repetitions, len(REFINEMENTS) * self.period)
        return self.sub * (full * self.duration + min(max(0, rest - number * self.period), self.duration))

    @property
    def interpolation(self) -> int:
        """Return the flop of an interpolation: none where it is a copy."""
        return 3 * self.fine * (self.fine + self.refinement) if self.level else 0

    @property
    def work(self) -> float:
        # All that the timed repetitions do, which differ.
        background, fine = (Stencil(n=n, radius=self.radius).work for n in (self.n, self.fine))
        updates = sum(map(self.updates, REFINEMENTS)) - self.sub
        interpolated = self.iterations // self.period * self.interpolation
        return background + (fine * updates + interpolated) / self.iterations

    def cost(self, size: int, repetition: int = 1) -> Cost:
        background, *refinements = self.grids(size)
        swept = background.cost(len(background.mesh.ranks))
        if not self.lives(repetition):
            return swept
        grid = refinements[self.living(repetition)]
        found = sum(self.sub * [grid.cost(len(grid.mesh.ranks))], swept)
        if self.begins(repetition):
            found += Cost(flop=self.interpolation, bytes=8 * (self.fine**2 + self.refinement**2))
        if background.busiest(size) == grid.busiest(size):
            return found
        # Another member is the busiest of each grid: it sends what is more.
        most = max(swept.message_bytes, found.message_bytes - swept.message_bytes)
        return replace(
            found,
            messages=max(swept.messages, found.messages - swept.messages),
            message_bytes=most,
            chain=max(swept.chain, found.chain - swept.chain),
        )

    @property
    def rounding(self) -> float:
        """Return a bound of one point's rounding: terms as large as the input, times the largest weights."""
        updates = max(self.repetitions, *map(self.updates, REFINEMENTS))
        largest = 2 * self.n + self.repetitions + self.sub * self.duration
        return float(np.finfo(float).eps) * largest * self.expansion * updates

    def memory(self, size: int) -> int:
        background, *refinements = self.grids(size)
        # What pieces are interpolated from, and that once more as it arrives.
        around = sum(2 * 8 * feed.largest for feed in self.layout(size).feeds)
        fine = around + sum(grid.memory(size) for grid in refinements)
        if self.balance == "high-water":
            return max(background.memory(size), fine)
        return background.memory(size) + fine

    def refuse(self, size: int) -> None:
        super().refuse(size)
        for name, least in (
            ("n", 2), ("refinement", 2), ("level", 0), ("period", 1), ("duration", 1), ("sub", 1),
            ("radius", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise Refusal(f"--{name}", f"{getattr(self, name)} is too small", f"use at least {least}")
        if self.refinement > self.n:
            raise Refusal(
                "--refinement", f"{self.refinement} is more than the background has", f"use 2 to {self.n}"
            )
        if self.level > FINEST:
            raise Refusal("--level", f"{self.level} is too fine", f"use at most {FINEST}")
        if self.duration > self.period:
            raise Refusal(
                "--duration",
                f"{self.duration} is longer than the period, and one refinement lives at a time",
                f"use at most {self.period}",
            )
        star = 2 * self.radius + 1
        for option, side in (("--n", self.n), ("--refinement", self.fine)):
            if star > side:
                raise Refusal(
                    option,
                    f"a star of radius {self.radius} does not fit {side} points a side",
                    "use more of them, or a smaller --radius",
                )
        self._refuse_members(size)
        if self.rounding > sum(1 / k for k in range(1, self.radius + 1)) / (4 * self.radius):
            raise Refusal(
                "--iterations",
                f"float64 rounds by up to {self.rounding:.2g} here, which could hide a lost halo",
                "use fewer iterations",
            )

    def _refuse_members(self, size: int) -> None:
        """Raise Refusal if the strategy cannot divide the grids over `size` members."""
        if self.balance == "high-water" and size == 1:
            raise Refusal(
                "--balance", "high-water divides at least two ranks", "use another one, or more ranks"
            )
        if self.spread and self.balance != "fine-grain":
            raise Refusal("--spread", f"{self.balance} says itself which ranks there are", "leave it out")
        if not 0 <= self.spread <= size:
            raise Refusal("--spread", f"{self.spread} of {size} ranks", f"use 1 to {size}")
        background, *refinements = self.layout(size).meshes
        if wrong := narrow(background):
            raise Refusal(
                "--n", f"{self.n} points are cut into tiles of {wrong}", "use more of them, or fewer ranks"
            )
        for number, mesh in enumerate(refinements):
            if wrong := narrow(mesh):
                others = {"fine-grain": "a smaller --spread", "no-talk": "--balance fine-grain"}
                raise Refusal(
                    "--refinement",
                    f"refinement {number} is cut into pieces of {wrong}",
                    f"use another size, or {others.get(self.balance, 'fewer ranks')}",
                )

    def whole(self, size: int) -> Mapping[str, Whole]:
        background, fine = Whole((self.n, self.n)), Whole((self.fine, self.fine))
        found = {"in": background, "out": background}
        for number in REFINEMENTS:
            found |= {f"in {number}": fine, f"out {number}": fine}
        return found

    def partial(self, parts: Fields) -> Partial:
        return {name: error(part, self.answer(name)) for name, part in parts.items()}

    def answer(self, name: str) -> Answer:
        """Return what a field is after all repetitions."""
        field, _, number = name.partition(" ")
        if not number:
            if field == "out":
                return self._swept(self.n, self.repetitions)
            return lambda y, x: y + (x + float(self.repetitions))
        if field == "out":
            return self._swept(self.fine, self.updates(int(number)))
        corner = schedule.corners(self.n, self.refinement)[int(number)]
        return self._interpolated(int(number), sum(corner))

    def _swept(self, n: int, updates: int) -> Answer:
        """Return the output of a grid of n x n points: 2 for each update, but nothing at the border."""

        def inside(points: np.ndarray) -> np.ndarray:
            return (self.radius <= points) & (points < n - self.radius)

        return lambda y, x: 2.0 * updates * (inside(y) & inside(x))

    def _interpolated(self, number: int, corner: int) -> Answer:
        """Return the input of a refinement at whose first point the background's began as `corner`."""
        born, updates = self.since(number)
        if born < 0:
            return lambda y, x: np.zeros(np.broadcast_shapes(y.shape, x.shape))
        return lambda y, x: y / self.expansion + (x / self.expansion + float(corner + born + updates))

    def check(self, found: Partial) -> list[Check]:
        return [
            Check(f"largest error of {name}", part.value, self._allowed(name)) for name, part in found.items()
        ]

    def _allowed(self, name: str) -> float:
        allowed = self.tolerance(name)
        return max(self.rounding, allowed) if name.startswith("out") else allowed


def narrow(mesh: Mesh) -> str:
    """Say how narrow the pieces of a mesh are, if narrower than the halo is deep, or nothing."""
    for count, widths, lines in zip(mesh.counts, mesh.widths(), ("rows", "columns"), strict=True):
        if count > 1 and min(widths) < mesh.depth:
            return f"{min(widths)} {lines}, less than the radius"
    return ""


def error(box: Field, answer: Answer) -> Largest:
    """Return the largest error of a member's part of a field; the answer is a function of row and column."""
    assert isinstance(box, Box)
    (rows, cols), values = box
    x, worst = np.arange(cols.start, cols.stop), 0.0
    for chunk in rows_at_a_time(values):
        y = np.arange(rows.start, rows.stop)[chunk, None]
        worst = max_or_nan(worst, np.abs(values[chunk] - answer(y, x)))
    return Largest(worst)
