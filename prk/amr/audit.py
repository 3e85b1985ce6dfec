"""AMR on an audit's data, in plain NumPy: each point from the part of the data that it depends on.

The sums are linear and the increments uniform: s updates on an input make out + s S(in), for the weights of
a star add up to nothing. A round begins in a repetition drawn from its data, so that the turn of each
refinement comes.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from prk.amr import schedule
from prk.amr.problem import Amr
from prk.check import Fresh
from prk.stencil.audit import weights


def besides(problem: Amr, size: int, rank: int, fresh: Fresh) -> dict[str, np.ndarray]:
    """Return the repetition that a round begins with."""
    return {"begun": np.array(begun(problem, fresh))}


def begun(problem: Amr, fresh: Fresh) -> int:
    """Return a repetition in which a refinement comes alive, or the one before."""
    drawn = fresh("begun", (slice(0, 2),)) - 0.5
    return 4 * problem.period + int(4 * drawn[0]) * problem.period - int(2 * drawn[1])


def expected(
    problem: Amr, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of a field after `count` repetitions of fresh data."""
    field, _, number = name.partition(" ")
    found = fresh(name, where)
    if not number:
        if field == "in":
            return found + count
        return found + count * swept(partial(fresh, "in"), problem.n, problem.radius, where)
    # Inputs that were there, each with the updates that it had, the last one being what is there now.
    inputs = list(history(problem, fresh, int(number), begun(problem, fresh), count))
    if field == "in":
        data, updates = inputs[-1]
        return data(where) + updates
    for data, updates in inputs:
        found = found + updates * problem.expansion * swept(data, problem.fine, problem.radius, where)
    return found


def history(problem: Amr, fresh: Fresh, number: int, first: int, count: int) -> Iterator:
    """Yield a refinement's inputs, as functions of a box, each with how often it was updated."""
    data, updates = partial(fresh, f"in {number}"), 0
    for repetition in range(first, first + count):
        turn, age = divmod(repetition, problem.period)
        if turn % 4 != number:
            continue
        if age == 0:
            yield data, updates
            data, updates = partial(interpolated, problem, fresh, number, repetition - first), 0
        if age < problem.duration:
            updates += problem.sub
    yield data, updates


def interpolated(
    problem: Amr, fresh: Fresh, number: int, increments: int, where: tuple[slice, ...]
) -> np.ndarray:
    """Return a box of a refinement as it is interpolated from the background, which has grown so often."""
    corner, e = schedule.corners(problem.n, problem.refinement)[number], problem.expansion
    points = [c + np.arange(w.start, w.stop) / e for c, w in zip(corner, where, strict=True)]
    lows = [np.minimum(p.astype(int), problem.n - 2) for p in points]
    (y0, y1), (x0, x1) = ((int(low[0]), int(low[-1]) + 2) for low in lows)
    data = fresh("in", (slice(y0, y1), slice(x0, x1)))
    (y, x), (v, u) = (lows[0] - y0, lows[1] - x0), (p - low for p, low in zip(points, lows, strict=True))
    v = v[:, None]
    near = data[y] * (1 - v) + data[y + 1] * v
    return near[:, x] * (1 - u) + near[:, x + 1] * u + increments


def swept(data, n: int, r: int, where: tuple[slice, ...]) -> np.ndarray:
    """Return the weighted sums around the points of a box of a grid of n x n points; none at its border."""
    found = np.zeros([w.stop - w.start for w in where])
    (r0, r1), (c0, c1) = ((max(w.start, r), min(w.stop, n - r)) for w in where)
    if r0 < r1 and c0 < c1:
        inp = data((slice(r0 - r, r1 + r), slice(c0 - r, c1 + r)))
        inside = found[r0 - where[0].start : r1 - where[0].start, c0 - where[1].start : c1 - where[1].start]
        for (down, right), weight in weights("star", r).items():
            inside += weight * inp[r + down : r + down + r1 - r0, r + right : r + right + c1 - c0]
    return found
