"""What each kernel's coarray takes on every image, in bytes: it is as large on all of them. Pure."""

from collections.abc import Callable
from typing import Any

import numpy as np

from prk.runtime import Options

from .._pic import doubles

# Bytes of a cache line, on which arrays begin.
LINE = 64
# Events of a tile: its sides are numbered north, south, west, east.
EVENTS = 4


def rounded(size: int) -> int:
    """Return the bytes that an array of `size` bytes takes: whole cache lines."""
    return -(-size // LINE) * LINE


def besides(own: Callable[[Any, int], int]) -> Callable[[Any, Options, int], int]:
    """Return what a cell allocates whose coarray comes besides what the problem says."""

    def memory(problem: Any, options: Options, size: int) -> int:
        return int(problem.memory(size) + own(problem, size))

    return memory


def longest_edge(problem: Any, size: int) -> int:
    """Return the elements of the largest edge that any image puts."""
    height, width = problem.largest_tile(size)
    return int(problem.radius * max(width, height + 2 * problem.radius))


def stencil(problem: Any, size: int) -> int:
    """Return the bytes of the landing buffers, two a side."""
    return rounded(8 * longest_edge(problem, size) * np.dtype(problem.dtype).itemsize)


def amr(problem: Any, size: int) -> int:
    """Return the bytes of each grid's landing buffers, and of those of the interpolations."""
    grids = sum(stencil(grid, size) for grid in problem.grids(size))
    return grids + sum(rounded(8 * feed.largest) for feed in problem.layout(size).feeds)


def synch_p2p(problem: Any, size: int) -> int:
    """Return the bytes of a value a line."""
    return rounded(8 * problem.n)


def transpose(problem: Any, size: int) -> int:
    """Return the bytes of a block a phase."""
    return rounded(8 * (size - 1) * (problem.order // size) ** 2)


def longest_part(problem: Any, size: int) -> int:
    """Return the elements of the longest part of a vector that is cut into blocks."""
    return -(-problem.n // size)


def nstream(problem: Any, size: int) -> int:
    """Return the bytes of three vectors."""
    return 3 * rounded(8 * longest_part(problem, size))


def random(problem: Any, size: int) -> int:
    """Return the bytes of two landing buffers for each other image, and of how much is in them."""
    return rounded(16 * size * problem.lookahead) + rounded(16 * size)


def sparse(problem: Any, size: int) -> int:
    """Return the bytes of the vector."""
    return rounded(problem.vector_bytes(size))


def dgemm(problem: Any, size: int) -> int:
    """Return the bytes of a block of A and one of B."""
    return 2 * rounded(problem.memory_of_block(size))


def synch_global(problem: Any, size: int) -> int:
    """Return the bytes of two strings."""
    return 2 * rounded(problem.n)


def pic(problem: Any, size: int) -> int:
    """Return the bytes of what an image gives."""
    return rounded(8 * doubles(problem, size))
