"""Random on an audit's data: the table after the first round, word by word, and as it was after both."""

from functools import lru_cache

import numpy as np

from prk.check import Fresh
from prk.random import sequence
from prk.random.problem import Random

# Members that a process may hold: what is known of each of them is kept for all rounds.
MEMBERS = 64


def expected(
    problem: Random, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a part of a field after `count` repetitions of fresh data."""
    first = where[0].start
    if name == "updates":
        return fresh(name, where).astype(np.int64) + count * (problem.work // size)
    if name == "first rounds":
        span = slice(*problem.span(first, size))
        words = fresh("table", (span,)).astype(np.uint64) ^ changes(problem, size, first)
        both = np.bitwise_xor.reduce(words) ^ values(problem, size, first)
        found = fresh(name, where).astype(np.uint64)
        for _ in range(count):
            found = sequence.after(found) ^ both
        return found
    table = fresh("table", where).astype(np.uint64)
    if name == "table":
        return table
    rank = first // (problem.words // size)
    start, _ = problem.span(rank, size)
    return table ^ changes(problem, size, rank)[first - start : where[0].stop - start]


@lru_cache(MEMBERS)
def changes(problem: Random, size: int, rank: int) -> np.ndarray:
    """Return by what a round of all members changes the words of one."""
    start, stop = problem.span(rank, size)
    found = np.zeros(stop - start, np.uint64)
    for other in range(size):
        for batch in sequence.batches(problem.seeds(other, size), problem.batches(size)):
            word = (batch % np.uint64(problem.words)).astype(np.int64)
            here = (word >= start) & (word < stop)
            np.bitwise_xor.at(found, word[here] - start, batch[here])
    return found


@lru_cache(MEMBERS)
def values(problem: Random, size: int, rank: int) -> np.uint64:
    """Return the XOR of all values that a member generates in a round."""
    several = sequence.batches(problem.seeds(rank, size), problem.batches(size))
    return np.uint64(np.bitwise_xor.reduce([np.bitwise_xor.reduce(batch) for batch in several]))
