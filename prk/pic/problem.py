"""PIC: particles that move over a mesh of fixed charges (PRK_SPEC, PIC)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from prk import decomposition
from prk.check import Check, Fields, Keyed, Largest, Partial, max_or_nan
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import Metric
from prk.pic import audit, schedule
from prk.pic.events import Event, read
from prk.problem import Balancing, Positional, Problem, Refusal, parameter

if TYPE_CHECKING:
    from prk.pic.population import Lives, Population

MOVED = Metric("rate", "Mparticles_moved/s", 1e6, figure_unit="M particles/s")
# The parameters of each mode, in the C program's order.
MODES: Mapping[str, tuple[str, ...]] = {
    "GEOMETRIC": ("rho",),
    "SINUSOIDAL": (),
    "LINEAR": ("alpha", "beta"),
    "PATCH": ("left", "right", "bottom", "top"),
}
# A unit charge pushes a particle in the middle of a cell by one cell in a step of time 1.
UNIT = 1 / (2 * math.sqrt(2))
# Bytes of a particle: six doubles. A step reads five of them and writes four.
ROWS, PARTICLE, MOVING = 6, 48, 72
# Flop of a step: of each corner's force, and the rest.
FLOP = 4 * 13 + 15


@dataclass(frozen=True, kw_only=True)
class Pic(Problem):
    """Cells and particles, their charges and speeds, and how they are distributed at first."""

    title: ClassVar[str] = "particles in cells that drift over a mesh of charges"
    metrics: ClassVar[tuple[Metric, ...]] = (MOVED,)
    balancing: ClassVar[Balancing] = Balancing("balance", "none")
    positional: ClassVar[Positional] = ("iterations", "n", "particles", "k", "m", "mode")

    n: int = parameter(1000, "cells a side of the grid, even", label="Grid size", size=True)
    particles: int = parameter(
        1_000_000, "particles at first, about", label="Number of particles requested", size=True
    )
    k: int = parameter(1, "a step goes 2k + 1 cells to the right", label="Particle charge semi-increment (k)")
    m: int = parameter(2, "and so many up", label="Vertical velocity (m)")
    mode: str = parameter("GEOMETRIC", "how they are distributed", tuple(MODES), label="Distribution")
    rho: float = parameter(0.99, "GEOMETRIC: from one column to the next", label="Attenuation factor")
    alpha: float = parameter(1.0, "LINEAR: by how much columns lose of beta", label="Negative slope")
    beta: float = parameter(3.0, "LINEAR: weight of the first column", label="Offset")
    left: int = parameter(0, "PATCH: first column", label="Left of the patch")
    right: int = parameter(1, "PATCH: last column", label="Right of the patch")
    bottom: int = parameter(0, "PATCH: first row", label="Bottom of the patch")
    top: int = parameter(1, "PATCH: last row", label="Top of the patch")
    events: str = parameter(
        "", "a file, or a shipped one's name: when and where particles are added or removed", label="Events"
    )

    @classmethod
    def bare_words(cls, given: Sequence[str]) -> Positional:
        """Return the parameters that bare words stand for: those of a mode follow it."""
        return (*cls.positional, *MODES.get(given[5], ())) if len(given) > 5 else cls.positional

    def parameters(self) -> dict[str, Any]:
        """Return the parameters by name, without those of other distributions."""
        others = {name for mode, names in MODES.items() if mode != self.mode for name in names}
        if not self.events:
            others.add("events")
        return {name: value for name, value in super().parameters().items() if name not in others}

    @property
    def stride(self) -> int:
        """Return by how many columns a step moves a particle."""
        return 2 * self.k + 1

    @property
    def least(self) -> tuple[int, int]:
        """Return the least columns and rows of a tile: who leaves it then goes to a neighbour."""
        return self.stride, max(1, abs(self.m))

    @property
    def charge(self) -> float:
        """Return the charge of a particle in an even column."""
        return self.stride * UNIT

    @property
    def work(self) -> float:
        """Return the mean number of particles that a timed repetition moves."""
        living: float = self.population.living()[1:].mean()
        return living

    @property
    def population(self) -> "Population":
        """Return all particles that a run ever has."""
        # Compiled code, which the command line does without.
        from prk.pic import population

        return population.of(self)

    def happening(self) -> tuple[Event, ...]:
        """Return the events of the file, as they happen. Raises Refusal."""
        return read(self.events, self.n, self.iterations) if self.events else ()

    def means(self) -> tuple[int, tuple[int, int], np.ndarray]:
        """Return the first column and the rows of the box where particles start, and how many a cell of each
        of its columns has on average."""
        n, x = self.n, np.arange(self.n)
        if self.mode == "PATCH":
            width, height = self.right - self.left + 1, self.top - self.bottom + 1
            return self.left, (self.bottom, self.top + 1), np.full(width, self.particles / (width * height))
        with np.errstate(all="ignore"):
            if self.mode == "SINUSOIDAL":
                weights = 2 * np.cos(math.pi * x / n) ** 2 / n
            elif self.mode == "LINEAR":
                total = self.beta * n - self.alpha * n / 2
                weights = (self.beta - self.alpha * x / (n - 1)) / total
            elif self.rho == 1:
                weights = np.full(n, 1 / n)
            else:
                rho = np.float64(self.rho)
                weights = (1 - rho) / (1 - rho**n) * rho**x
            return 0, (0, n), self.particles * weights / n

    def charges(self, x0: int, x1: int, y0: int, y1: int) -> np.ndarray:
        """Return the charges of the mesh points [x0, x1) x [y0, y1), periodic, as an array of columns."""
        x, y = np.arange(x0, x1) % self.n, np.arange(y0, y1) % self.n
        return self.charge_of(*np.broadcast_arrays(x[:, None], y))

    def charge_of(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the charges of mesh points."""
        found = np.where(x % 2 == 0, 1.0, -1.0)
        return found * (1 + audit.noise(self, 2, x * self.n + y)) if self.audit else found

    def after(self, x: np.ndarray, y: np.ndarray, steps: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        """Return where particles are that started at x, y so many steps ago, as cells or as their middles."""
        return (x + steps * self.stride) % self.n, (y + steps * self.m) % self.n

    def cost(self, size: int, repetition: int = 1) -> Cost:
        px, py = decomposition.grid(size)
        # As many leave a tile as lie within a step of its right and upper border, in the mean over all tiles.
        leaving = self.particles / self.n * (self.stride * (px > 1) / py + abs(self.m) * (py > 1) / px)
        neighbours = min(size - 1, (3 if px > 1 else 1) * (3 if py > 1 else 1) - 1)
        return Cost(
            flop=FLOP * self.particles,
            bytes=MOVING * self.particles,
            messages=neighbours,
            message_bytes=PARTICLE * leaving,
            chain=1 if size > 1 else 0,
        )

    def fullest(self, size: int) -> float:
        """Return about how many particles the fullest tile ever has where no border moves."""
        px, py = decomposition.grid(size)
        left, rows, means = self.means()
        columns = np.zeros(self.n)
        columns[left : left + means.size] = means * (rows[1] - rows[0])
        # Wherever the tile and they are, as they drift; in a patch all rows may be in it.
        sums, width = np.concatenate([[0.0], np.cumsum(np.tile(columns, 2))]), -(-self.n // px)
        share = float((sums[width:] - sums[:-width]).max()) / (1 if self.mode == "PATCH" else py)
        return 1.1 * share + sum(event.add for event in self.happening()) + 100

    def leaving(self, size: int) -> float:
        """Return about how many numbers leave a tile with its particles in a step, at most."""
        px, py = decomposition.grid(size)
        share = self.stride * px / self.n + abs(self.m) * py / self.n
        return ROWS * self.fullest(size) * min(1.0, share)

    def leavers(self, rank: int, size: int, repetition: int) -> dict[int, int]:
        """Return how many particles leave a member's tile in a repetition, by the member that gets them; no
        border having moved, and no event happened."""
        cuts = schedule.even(self.n, size)
        there = [
            _runs(owners[(np.arange(*span) + by) % self.n], span[0])
            for owners, span, by in zip(cuts.owners, cuts.box(rank), (self.stride, self.m), strict=True)
        ]
        found: dict[int, int] = {}
        for (x, columns), (y, rows) in product(*there):
            if x + y != rank:
                count = self.population.inside(columns, rows, repetition)
                found[x + y] = found.get(x + y, 0) + count
        return found

    def memory(self, size: int) -> int:
        px, py = decomposition.grid(size)
        # Twice, since room grows by copying; and the answer once more.
        particles = 3 * PARTICLE * self.fullest(size)
        mesh = 8 * (-(-self.n // px) + 1) * (-(-self.n // py) + 1)
        return int(particles + (2 if self.audit else 1) * mesh)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.n < 2 or self.n % 2:
            works = max(2, self.n + 1)
            raise Refusal("--n", f"{self.n} columns are no even number", f"use {works}")
        if self.particles < 1:
            raise Refusal("--particles", f"{self.particles} is too few", "use at least 1")
        if self.k < 0:
            raise Refusal("--k", f"{self.k} is negative", "use at least 0")
        grid = decomposition.grid(size)
        for option, parts, least in zip(("--k", "--m"), grid, self.least, strict=True):
            if self.n // parts < least:
                raise Refusal(
                    "--n",
                    f"{self.n} cells leave some of {parts} tiles {self.n // parts}, and {option} "
                    f"steps {least}",
                    f"use at least {parts * least + parts * least % 2}",
                )
        self._refuse_mode()
        self.happening()

    def _refuse_mode(self) -> None:
        """Raise Refusal if the distribution is none, or has parameters of another one."""
        usual = self.introduced()
        for mode, names in MODES.items():
            for name in names:
                if mode != self.mode and getattr(self, name) != usual[name]:
                    raise Refusal(f"--{name}", f"it belongs to --mode {mode}", "leave it out, or use that")
        if self.mode == "PATCH":
            for names in (("left", "right"), ("bottom", "top")):
                first, last = (getattr(self, name) for name in names)
                if not 0 <= first <= last < self.n:
                    options = " and ".join(f"--{name}" for name in names)
                    raise Refusal(options, f"{first} to {last} are no cells", f"use 0 to {self.n - 1}")
        elif self.mode == "GEOMETRIC" and self.rho <= 0:
            raise Refusal("--rho", f"{self.rho} is too small", "use more than 0")
        elif self.mode == "LINEAR" and (min(self.beta, self.beta - self.alpha) < 0 or not self.beta):
            raise Refusal(
                "--beta", f"{self.beta} leaves columns a negative weight", "use more, at least --alpha"
            )
        if not np.isfinite(self.means()[2]).all():
            raise Refusal("--rho", f"{self.rho} leads beyond all numbers", "use one that is nearer to 1")

    def whole(self, size: int) -> Mapping[str, Whole]:
        """Return the fields: of each particle that ever was x, y, vx, vy and before which repetition it
        ended, and the mesh."""
        return {
            "particles": Whole((self.population.total,), keyed=True),
            "mesh": Whole((self.n**2,), keyed=True),
        }

    def partial(self, parts: Fields) -> Partial:
        found, mesh = parts["particles"], parts["mesh"]
        assert isinstance(found, Keyed)
        assert isinstance(mesh, Keyed)
        errors = [0.0, 0.0]
        steps = stray = 0
        own = np.sort(mesh.keys)
        for chunk in self.population.chunks(found.keys.size):
            wrong, *worst = self._errors(found.keys[chunk], found.values[chunk])
            errors = [max_or_nan(a, b) for a, b in zip(errors, worst, strict=True)]
            steps += wrong
            stray += self._strays(found.values[chunk], own)
        charge = 0.0
        for chunk in self.population.chunks(mesh.keys.size):
            right = self.charge_of(*divmod(mesh.keys[chunk], self.n))
            charge = max_or_nan(charge, np.abs(mesh.values[chunk] - right))
        position, velocity, mesh_error = map(Largest, (*errors, charge))
        counted = {"steps": steps, "stray": stray}
        return {"position": position, "velocity": velocity, "mesh": mesh_error, **counted}

    def _errors(self, numbers: np.ndarray, values: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """Return how many particles lived too short or too long, and errors of positions and velocities."""
        lives = self.population.lives(numbers)
        right = audit.replay(self, numbers, lives) if self.audit else self._ends(lives)
        away = np.abs(values[:, :2] - right[:, :2])
        # The shorter way round.
        away = np.minimum(away, np.abs(self.n - away))
        wrong = int(np.count_nonzero(values[:, 4] != lives.born + lives.steps))
        return wrong, away, np.abs(values[:, 2:4] - right[:, 2:4])

    def _strays(self, values: np.ndarray, own: np.ndarray) -> int:
        """Count the living particles in cells whose lower left point is none of a member's `own`."""
        with np.errstate(invalid="ignore"):
            x, y = values[values[:, 4] == self.repetitions, :2].T.astype(np.int64) % self.n
        cells = x * self.n + y
        if not own.size:
            return int(cells.size)
        at = np.searchsorted(own, cells) % own.size
        return int(np.count_nonzero(own[at] != cells))

    def _ends(self, lives: "Lives") -> np.ndarray:
        """Return x, y, vx, vy at the ends of lives: each other step pushes, and the others stop again."""
        x, y = self.after(lives.x + 0.5, lives.y + 0.5, lives.steps)
        return np.stack([x, y, 2.0 * self.stride * (lives.steps % 2), np.full(x.size, float(self.m))], axis=1)

    def tolerance(self, name: str) -> float:
        return 0.0 if name == "mesh" else 1e-8

    def check(self, found: Partial) -> list[Check]:
        allowed = audit.TOLERANCE if self.audit else 1e-6
        return [
            Check("largest error of a position (cells)", found["position"].value, allowed),
            Check("largest error of a velocity", found["velocity"].value, allowed),
            Check("#particles that were moved too often or too rarely", float(found["steps"]), 0.0),
            Check("#particles that are in no cell of their member", float(found["stray"]), 0.0),
            Check("largest error of a charge of the mesh", found["mesh"].value, 0.0),
        ]


def _runs(values: np.ndarray, first: int) -> list[tuple[int, tuple[int, int]]]:
    """Return the runs of equal values, each with where it begins and ends; the first value is at `first`."""
    found = []
    for value, run in groupby(values.tolist()):
        last = first + len(list(run))
        found.append((value, (first, last)))
        first = last
    return found
