"""RefCount on an audit's data: counters after all members' updates, and vectors as in Nstream."""

import numpy as np

from prk.check import Fresh
from prk.refcount.problem import RefCount


def expected(
    problem: RefCount, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of a field after `count` repetitions of fresh data."""
    found = fresh(name, where)
    if name == "a":
        return found + count * (fresh("b", where) + 3 * fresh("c", where))
    if name != "counters":
        return found
    updates = count * (size if problem.counters == "shared" else 1)
    if problem.update == "independent":
        return found.astype(np.int64) + updates
    turned = (found[:, 0] + 1j * found[:, 1]) * np.exp(1j * updates)
    return np.stack([turned.real, turned.imag], axis=1)


def tolerance(problem: RefCount, size: int, name: str) -> float:
    """Return the relative error that a right field may have: as many roundings as there were updates."""
    return 0.0 if name == "counters" and problem.update == "independent" else 1e-11
