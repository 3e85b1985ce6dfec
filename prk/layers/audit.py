"""Layers on an audit's data: what is given is fresh, what is made is compared with plain NumPy."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from prk.check import Fresh
from prk.layers.operators import elements
from prk.layers.problem import TOLERANCE, Layers, rounded

# By how much the error may grow with each number that is added up, where terms cancel to little that have an
# error in common: a mean that is rounded to single precision, products that bfloat16 rounds.
GROWTH = {"float32": 1e-7, "bfloat16": 1e-6}


def expected(
    problem: Layers, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of what a member was given, as its type holds it, or of what it makes of that."""
    if name in problem.given(problem.line):
        return rounded(fresh(name, where).astype(np.float32), problem.dtype)
    rows = [made(problem, fresh, rank)[name] for rank in range(where[0].start, where[0].stop)]
    return np.stack([row.ravel()[where[1]] for row in rows])


@lru_cache(maxsize=4)
def made(problem: Layers, fresh: Any, rank: int) -> dict[str, np.ndarray]:
    """Return all that a member makes of fresh data: its blocks are asked for one by one."""
    line = problem.line
    given = {}
    for name, shape in problem.given(line).items():
        whole = fresh(name, (slice(rank, rank + 1), slice(0, math.prod(shape))))
        held = rounded(whole.astype(np.float32), problem.dtype)
        given[name] = held.astype(np.float64).reshape(shape)
    return line.operator.plain(line.sizes, problem.backward, given)


def tolerance(problem: Layers, size: int, name: str) -> float:
    """Return the error that a right result may have; what is given is exact."""
    given, operator = problem.given(problem.line), problem.line.operator
    if name in given:
        return 0.0
    return TOLERANCE[problem.dtype] + (GROWTH[problem.dtype] * elements(given) if operator.cancels else 0.0)
