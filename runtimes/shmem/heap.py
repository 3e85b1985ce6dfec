"""Symmetric memory: what each kernel allocates of it on every PE, and how large the heap may be. Pure."""

from typing import Any

import numpy as np

from prk.problem import Refusal
from prk.reduce import schedules

from .._pic import doubles

# The variable of the OpenSHMEM standard that sets the symmetric heap.
HEAP = "SHMEM_SYMMETRIC_SIZE"
# Counters of sides, and flags of PEs, stand a cache line apart.
APART = 8


def rounded(size: int) -> int:
    """Return the bytes that an array of `size` bytes takes in a heap: whole cache lines."""
    return -(-size // 64) * 64


def longest_edge(problem: Any, size: int) -> int:
    """Return the elements of the largest edge that any PE sends: symmetric arrays are alike on all."""
    height, width = problem.largest_tile(size)
    return problem.radius * max(width, height + 2 * problem.radius)


def stencil(problem: Any, size: int) -> int:
    """Return the bytes of the landing buffers, two a side, and of the counters."""
    landing = 8 * longest_edge(problem, size) * np.dtype(problem.dtype).itemsize
    return rounded(landing) + rounded(4 * APART * 8)


def amr(problem: Any, size: int) -> int:
    """Return the bytes of each grid's landing buffers and counters, and of those of the interpolations."""
    return sum(stencil(grid, size) for grid in problem.grids(size)) + feeds(problem, size)


def feeds(problem: Any, size: int) -> int:
    """Return the bytes of a landing buffer a refinement, and of its counters."""
    layout = problem.layout(size)
    return sum(rounded(8 * feed.largest) + rounded(2 * APART * 8) for feed in layout.feeds)


def synch_p2p(problem: Any, size: int) -> int:
    """Return the bytes of a value and a flag a line, and of the flag that is given back."""
    return 2 * rounded(8 * problem.n) + rounded(8)


def transpose(problem: Any, size: int) -> int:
    """Return the bytes of a landing buffer a phase, and of two counters a phase."""
    width = problem.order // size
    return rounded(8 * (size - 1) * width * width) + 2 * rounded(8 * size)


def sparse(problem: Any, size: int) -> int:
    """Return the bytes of the vector, more than what is ever needed of it, and of two counters."""
    return rounded(problem.vector_bytes(size)) + 2 * rounded(8)


def dgemm(problem: Any, size: int) -> int:
    """Return the bytes of a block of A and one of B."""
    return 2 * rounded(problem.memory_of_block(size))


def random(problem: Any, size: int) -> int:
    """Return the bytes of two landing buffers a PE, and of as many flags."""
    return rounded(16 * size * problem.lookahead) + rounded(16 * size * APART)


def refcount(problem: Any, size: int) -> int:
    """Return the bytes of a pair of counters, and of a lock a pair."""
    return rounded(problem.pair_bytes) + rounded(8 * APART * size)


def synch_global(problem: Any, size: int) -> int:
    """Return the bytes of two strings, and of two counters of what has arrived in them."""
    return 2 * rounded(problem.n) + rounded(2 * APART * 8)


def reduce(problem: Any, size: int) -> int:
    """Return the bytes of two segments to get, of a counter a child, and of one of what the parent took."""
    return rounded(16 * min(problem.n, schedules.SEGMENT)) + rounded(8 * size) + rounded(8)


def pic(problem: Any, size: int) -> int:
    """Return the bytes of what a PE gives, and of two counters a PE."""
    return rounded(8 * doubles(problem, size)) + rounded(16 * size * APART)


def too_small(given: str | None, need: int) -> str:
    """Return the line that refuses a heap of the size `given` for `need` bytes, or nothing."""
    try:
        if given and in_bytes(given) < need:
            return (
                f"{HEAP}: {given} is too small a symmetric heap: {need} bytes a PE are needed; "
                f"set it to {need}"
            )
    except Refusal as refusal:
        return str(refusal)
    return ""


def in_bytes(size: str) -> int:
    """Return what a size such as 512M or 2G means, as OpenSHMEM reads it."""
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    number, unit = (size[:-1], size[-1].upper()) if size[-1:].upper() in factors else (size, "")
    try:
        return int(float(number) * factors.get(unit, 1))
    except ValueError:
        raise Refusal(HEAP, f"{size!r} is no size", "use bytes, or a number with K, M, G or T") from None
