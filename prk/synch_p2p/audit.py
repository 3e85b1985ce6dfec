"""Synch_p2p on an audit's data: A(i,j) = A(i,0) + A(0,j) - A(0,0), in plain NumPy.

Each repetition forgets what was inside before, so it is the single ones that tell.
"""

import numpy as np

from prk.check import Fresh
from prk.synch_p2p.problem import SynchP2P

FIRST = slice(0, 1)


def expected(
    problem: SynchP2P, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of A, [line, point], after `count` repetitions of fresh data."""
    lines, points = where
    m, n = problem.m, problem.n
    row, column, corner = (fresh(name, box) for box in ((FIRST, points), (lines, FIRST), (FIRST, FIRST)))
    # What is at the other two corners never changes; each repetition takes it from A(0,0).
    taken = fresh(name, (FIRST, slice(m - 1, m))) + fresh(name, (slice(n - 1, n), FIRST))
    found = row + column - (corner - (count - 1) * taken)
    if lines.start == 0:
        found[0] = row
    if points.start == 0:
        found[:, 0] = column[:, 0]
    if lines.start == points.start == 0:
        found[0, 0] = (corner - count * taken).item()
    return found


def besides(problem: SynchP2P, size: int, rank: int, fresh: Fresh) -> dict[str, np.ndarray]:
    """Return what a member's state holds besides its part of A: the boundary value before its first line."""
    first = problem.strip(rank, size)[0]
    return {"border": fresh("A", (FIRST, slice(max(first - 1, 0), first)))[0]}


def tolerance(problem: SynchP2P, size: int, name: str) -> float:
    """Return the error that the roundings of all points before one add up to, as a random walk does."""
    return max(1e-11, 8 * float(np.finfo(float).eps) * float(problem.m * problem.n) ** 0.5)
