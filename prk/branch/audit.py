"""Branch on an audit's data: the four loops in plain NumPy. An integer keeps 0 or 1 of fresh numbers."""

import numpy as np

from prk.branch.problem import Branch
from prk.check import Fresh


def expected(
    problem: Branch, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of the vectors after `count` repetitions of fresh data."""
    v = fresh(name, where).astype(np.int64)
    term = problem.start(where[1].start, where[1].stop).astype(np.int64)
    for k in range(count):
        aux = (-1) ** k * term
        if problem.branches == "no" or problem.type == "ins_heavy":
            v = np.broadcast_to(-aux, v.shape)
        else:
            positive = aux > 0 if problem.type == "vector_go" else v > 0
            v = np.where(positive, -v, v - 2 * aux)
    return v
