"""The memory's bandwidth: python -m prk.machine.memory BYTES THREADS... prints bytes a second of each.

Four streams are read, or changed in place with what comes next asked for ahead. One core alone gets more in
this way than by Nstream's plain loop (36 GB/s, not 21): Synch_p2p was at 144 % of a bound that was Nstream's.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from prk.memory import prefetch

STREAMS, ROUNDS, AHEAD = 4, 5, 256


@njit(cache=True, nogil=True)
def update(a: np.ndarray) -> None:
    """Change every value of a (4, n): 16 bytes each."""
    for i in range(a.shape[1]):
        if i % 8 == 0:
            for k in range(STREAMS):
                prefetch(a[k], i + AHEAD)
        a[0, i] += 1.0
        a[1, i] += 1.0
        a[2, i] += 1.0
        a[3, i] += 1.0


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def read(a: np.ndarray) -> float:
    """Return the sum of a (4, n): 8 bytes a value."""
    first = second = third = fourth = 0.0
    for i in range(a.shape[1]):
        first += a[0, i]
        second += a[1, i]
        third += a[2, i]
        fourth += a[3, i]
    return first + second + third + fourth


def bandwidth(threads: int, size: int) -> float:
    """Return bytes a second of `threads` threads on arrays of `size` bytes in all, the best round."""
    with ThreadPoolExecutor(threads) as pool:
        # Each thread touches its own first: that is where its pages are then.
        columns = max(1, size // (8 * STREAMS * threads))
        arrays = list(pool.map(lambda _: np.ones((STREAMS, columns)), range(threads)))

        def rate(work: Callable[[np.ndarray], object], each: int) -> float:
            start = time.perf_counter()
            list(pool.map(work, arrays))
            return each * sum(a.size for a in arrays) / (time.perf_counter() - start)

        # The first round compiles.
        rounds = [max(rate(update, 16), rate(read, 8)) for _ in range(ROUNDS + 1)]
    return max(rounds[1:])


if __name__ == "__main__":
    print(json.dumps([bandwidth(int(threads), int(sys.argv[1])) for threads in sys.argv[2:]]))
