"""Access to single words of memory: python -m prk.machine.access THREADS prints JSON, the best round of each.

`chase`: seconds of a load whose address the load before has brought, in a table that no cache holds.
`updates`: read-modify-writes a second of all threads together, each in a table of its own, at words that
are known long before, so that many misses are under way at once. `atomic`: seconds of an atomic update of
one word, which nobody else wants.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

from prk import memory
from prk.run import environment

# Words of a thread's table where there is room for them, and which part of the free memory tables may take.
WORDS, PART = 1 << 25, 8
AHEAD = 32
ROUNDS, LOADS, UPDATES = 4, 1 << 20, 1 << 22
# x -> MULTIPLIER x + TERM modulo a power of two goes through all numbers below it.
MULTIPLIER, TERM = 2891336453, 747796405


@njit(cache=True, nogil=True)
def link(table):
    """Make every word of a table name the next one of a cycle through them all."""
    last = table.size - 1
    for i in range(table.size):
        table[i] = (i * MULTIPLIER + TERM) & last


@njit(cache=True, nogil=True)
def follow(table, start, loads):
    """Follow a cycle; return where it has come to."""
    at = start
    for _ in range(loads):
        at = table[at]
    return at


@njit(cache=True, nogil=True)
def update(table, start, updates):
    """Change words in the order of the cycle, each fetched AHEAD updates before; return where it ends."""
    last = table.size - 1
    at = fetched = start
    for _ in range(AHEAD):
        fetched = (fetched * MULTIPLIER + TERM) & last
    for _ in range(updates):
        at = (at * MULTIPLIER + TERM) & last
        fetched = (fetched * MULTIPLIER + TERM) & last
        memory.prefetch(table, fetched)
        table[at] ^= at
    return at


@njit(cache=True, nogil=True)
def add(address, updates):
    """Add 1 to the word at an address, again and again, atomically."""
    for _ in range(updates):
        memory.fetch_add(address, 1)


def measure(threads: int) -> dict[str, float]:
    """Return the seconds of a load and of an atomic update, and the updates a second of so many threads."""
    room = environment.available_memory() // (PART * threads * 8)
    words = min(WORDS, 1 << room.bit_length() - 1)
    tables = [memory.empty(words, np.int64) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(link, tables))
        # Each round goes to other words.
        chase = [_seconds(follow, tables[0], n, LOADS) / LOADS for n in range(ROUNDS)]
        atomic = [_seconds(add, tables[0].ctypes.data, LOADS) / LOADS for _ in range(ROUNDS)]
        updates = [UPDATES * threads / _seconds(_together, pool, tables, n) for n in range(ROUNDS)]
    # The first round compiles.
    return {"chase": min(chase[1:]), "atomic": min(atomic[1:]), "updates": max(updates[1:])}


def _together(pool: ThreadPoolExecutor, tables: Sequence[np.ndarray], start: int) -> None:
    list(pool.map(lambda table: update(table, start, UPDATES), tables))


def _seconds(work: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
