"""PIC in an audit: other draws, starts beside the middles of cells, and charges that differ by a little.

The timed run itself is on these data: a particle's way depends on the mesh alone, so whoever ends with it
goes it once more, in plain NumPy. What is changed is so little that all stay near the middles.
"""

from typing import Any

import numpy as np

# What is changed moves a particle by so much of a cell in the whole run.
MOST = 0.01
# Of positions and velocities: rounding in a thousand steps is below that, and a charge that is not the own
# one of its point is above.
TOLERANCE = 1e-9
# Odd multipliers of splitmix64 (Steele, Lea and Flood, 2014).
STEP, MIX = 0x9E3779B97F4A7C15, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def noise(problem: Any, kind: int, numbers: np.ndarray) -> np.ndarray:
    """Return for each number a small one that only the audit's seed tells; `kind` tells what of."""
    words = numbers.astype(np.uint64) * np.uint64(STEP)
    words += np.uint64(((problem.audit << 8) + kind) * MIX[0] % 2**64)
    for shift, factor in zip((30, 27), MIX, strict=True):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    found: np.ndarray = (words >> np.uint64(11)) * 2.0**-52 - 1
    found *= MOST / (problem.stride * problem.repetitions**2)
    return found


def starts(problem: Any, numbers: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where particles start in the cells x, y."""
    return x + 0.5 + noise(problem, 0, numbers), y + 0.5 + noise(problem, 1, numbers)


def replay(problem: Any, numbers: np.ndarray, lives: Any) -> np.ndarray:
    """Return x, y, vx, vy of particles at the ends of their lives, an array (count, 4)."""
    n = problem.n
    at = np.stack(starts(problem, numbers, lives.x, lives.y))
    speed = np.stack([np.zeros(numbers.size), np.full(numbers.size, float(problem.m))])
    charge = np.where(lives.x % 2 == 0, problem.charge, -problem.charge)
    for step in range(lives.steps.max(initial=0)):
        cell = np.floor(at)
        force = np.zeros_like(at)
        for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
            x, y = (cell + np.reshape(corner, (2, 1))).astype(np.int64) % n
            away = at - cell - np.reshape(corner, (2, 1))
            sign = np.where(x % 2 == 0, 1.0, -1.0) * (1 + noise(problem, 2, x * n + y))
            force += charge * sign * away / np.hypot(*away) ** 3
        alive = step < lives.steps
        at = np.where(alive, (at + speed + force / 2) % n, at)
        speed = np.where(alive, speed + force, speed)
    return np.concatenate([at, speed]).T
