"""What a member gives to others where its program says so: a part in a collective is a message. Pure."""

from typing import Any

import numpy as np

from prk import decomposition
from prk.dgemm import schedule
from prk.runtime import Options, Sent


def halos(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """An edge with the ghosts at its ends to each neighbour; shares are equally large."""
    n, r, (px, py) = problem.n, problem.radius, decomposition.grid(size)
    iy, ix = divmod(rank, px)
    height, width = -(-n // py), -(-n // px)
    rows, cols = (iy > 0) + (iy < py - 1), (ix > 0) + (ix < px - 1)
    points = r * (rows * (width + 2 * r) + cols * (height + 2 * r))
    return Sent(rows + cols, points * np.dtype(problem.dtype).itemsize)


def blocks(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives all its blocks to one all_to_all, its own among them."""
    return Sent(1, 8 * problem.order * (problem.order // size))


def panels(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives its block of A along its row of the mesh, and that of B along its column."""
    rows, columns = schedule.grid(size)
    gathered = (rows > 1) + (columns > 1)
    return Sent(gathered, 8 * gathered * -(-problem.order // rows) * -(-problem.order // columns))


def slices(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives its slice of the vector to an all_gather."""
    return Sent(1, problem.slice_bytes(size))


def gradients(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """XLA makes one sum of those of all weights' gradients."""
    return Sent(1, 4 * problem.trained)
