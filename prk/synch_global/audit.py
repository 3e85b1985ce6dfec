"""Synch_global on an audit's data: a byte keeps 0 or 1 of fresh numbers, and is traced to where it stood."""

from functools import lru_cache

import numpy as np

from prk.check import Fresh
from prk.synch_global.problem import SynchGlobal

# Elements that are drawn at a time.
BLOCK = 1 << 16


def expected(
    problem: SynchGlobal, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of a field after `count` repetitions of fresh data."""
    (span,) = where
    if name == "members":
        return np.full(span.stop - span.start, size)
    places = np.arange(span.start, span.stop)
    each = problem.n // size
    for _ in range(count):
        # Member m has at its place i what stood at m + i P.
        places = places // each + places % each * size
    return string(fresh, problem.n)[places].astype(int)


@lru_cache(maxsize=1)
def string(fresh: Fresh, n: int) -> np.ndarray:
    """Return the whole string of fresh digits, which is no larger than what every member gathers."""
    found = np.empty(n, np.uint8)
    for start in range(0, n, BLOCK):
        part = found[start : start + BLOCK]
        part[:] = fresh("digits", (slice(start, start + part.size),))
    return found
