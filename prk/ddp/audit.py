"""Training in an audit: another seed, gradients judged in steps that nobody can guess, replicas in all.

The kernel does it itself: what a step computes is only there while it runs.
"""

import numpy as np

from prk.ddp.problem import Ddp

# Steps between the first and the last one whose gradient is computed once more.
JUDGED = 4


def steps(problem: Ddp) -> list[int]:
    """Return the steps whose gradients are judged; without an audit, the first and the last one."""
    first, last = 0, problem.repetitions - 1
    if not problem.audit or last < 2:
        return [first, last]
    draw = np.random.default_rng(problem.audit)
    between = draw.choice(np.arange(1, last), min(JUDGED, last - 1), replace=False)
    return [first, *sorted(between.tolist()), last]


class Signs:
    """A number for a vector that hardly another one has: its projection on a random direction."""

    def __init__(self, seed: int, length: int):
        self.direction = np.random.default_rng(seed).standard_normal(length, np.float32)

    def __call__(self, vector: np.ndarray) -> float:
        """Return the projection, relative to the vector's length."""
        return float(vector @ self.direction) / max(float(np.linalg.norm(vector)), 1e-30)
