"""Reduce on an audit's data: v + K ones, and in the root's the sums of all others besides."""

import numpy as np

from prk.check import Fresh
from prk.reduce.problem import Reduce


def expected(
    problem: Reduce, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of a field, [member, element], after `count` repetitions of fresh data."""
    found = fresh(name, where)
    if name == "ones":
        return found
    found += count * fresh("ones", where)
    if where[0].start == 0:
        # Of each repetition so far the others gave v with 1, 2, ... ones added.
        for other in range(1, size):
            box = slice(other, other + 1), where[1]
            found[0] += (count * fresh("v", box) + count * (count + 1) / 2 * fresh("ones", box))[0]
    return found
