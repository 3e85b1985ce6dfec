"""The flop peak: python -m prk.machine.flops THREADS prints flop a second, double precision, the best round.

Every number in a block that fits the first cache goes through a chain of fused multiply-adds, short
enough that the chains of its neighbours hide the latency. The vectors are those that the compiler
chooses, as it does for the kernels.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

BLOCK, CHAIN = 256, 8
ROUNDS, SWEEPS = 9, 200_000


@njit(cache=True, nogil=True, fastmath={"contract"})
def sweep(values: np.ndarray, factor: float, term: float, sweeps: int) -> None:
    """Run every value `sweeps` times through CHAIN multiply-adds."""
    for _ in range(sweeps):
        for i in range(values.size):
            x = values[i]
            for _ in range(CHAIN):
                x = x * factor + term
            values[i] = x


def peak(threads: int) -> float:
    """Return flop a second of `threads` threads."""
    blocks = [np.ones(BLOCK) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for number in range(ROUNDS + 1):
            start = time.perf_counter()
            list(pool.map(lambda block: sweep(block, 0.5, 0.5, SWEEPS), blocks))
            seconds = time.perf_counter() - start
            best = max(best, 2 * CHAIN * BLOCK * SWEEPS * threads / seconds) if number else best
    return best


if __name__ == "__main__":
    print(peak(int(sys.argv[1])))
