"""Stencil on an audit's data: K repetitions at once, out + K S(in) + K (K - 1) / 2 S(1), in plain NumPy."""

import numpy as np

from prk.check import Fresh
from prk.stencil.problem import Stencil


def weights(pattern: str, r: int) -> dict[tuple[int, int], float]:
    """Return the weights by (down, right), written once more from the specification."""
    found: dict[tuple[int, int], float] = {}
    for k in range(1, r + 1):
        if pattern == "star":
            for down, right in ((k, 0), (0, k)):
                found[down, right], found[-down, -right] = 1 / (2 * k * r), -1 / (2 * k * r)
            continue
        for i in range(1 - k, k):
            found[i, k] = found[k, i] = 1 / (4 * k * (2 * k - 1) * r)
            found[i, -k] = found[-k, i] = -1 / (4 * k * (2 * k - 1) * r)
        found[k, k], found[-k, -k] = 1 / (4 * k * r), -1 / (4 * k * r)
    return found


def expected(
    problem: Stencil, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of a field after `count` repetitions of fresh data, from its neighbourhood alone."""

    def first(name: str, *box: slice) -> np.ndarray:
        return fresh(name, box).astype(problem.dtype).astype(float)

    found = first(name, *where)
    if name == "in":
        return found + count
    r, (begin, end), (rows, cols) = problem.radius, problem.interior, where
    r0, r1, c0, c1 = (
        bound for span in (rows, cols) for bound in (max(span.start, begin), min(span.stop, end))
    )
    if r0 < r1 and c0 < c1:
        inp = first("in", slice(r0 - r, r1 + r), slice(c0 - r, c1 + r))
        terms = weights(problem.pattern, r)
        swept = np.full((r1 - r0, c1 - c0), sum(terms.values()) * (count - 1) / 2)
        for (down, right), weight in terms.items():
            swept += weight * inp[r + down : r + down + r1 - r0, r + right : r + right + c1 - c0]
        found[r0 - rows.start : r1 - rows.start, c0 - cols.start : c1 - cols.start] += count * swept
    return found
