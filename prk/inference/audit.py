"""Inference looks closer in an audit: data that nobody has seen, samples asked again, other seeds.

A system that remembers answers gives old ones for new data, or is faster where samples come again; one that
knows the queries of a seed is faster with it than with others; one that drops queries or has a smaller model
gives wrong answers, which every run looks for.
"""

from collections.abc import Sequence

import numpy as np

# The samples of a run, and how often all are tried; noise only adds, so the shortest counts.
SAMPLES, TRIALS = 48, 3


def unseen(arrays: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Return samples that nobody has seen: in another order, and changed.

    Real numbers change a little; of whole ones, as tokens, about half are other samples', at the same place.
    """
    draw = np.random.default_rng((seed, 9))
    order = draw.permutation(len(arrays[0]))
    found = []
    for known in arrays:
        moved = np.ascontiguousarray(known[order])
        if np.issubdtype(moved.dtype, np.floating):
            moved = moved + draw.normal(0, 0.05, moved.shape).astype(moved.dtype)
        elif moved.ndim > 1:
            moved = np.where(draw.random(moved.shape) < 0.5, moved[draw.permutation(len(moved))], moved)
        found.append(moved)
    return found


def different(samples: int, seed: int) -> list[list[int]]:
    """Return queries of a sample each, all different."""
    chosen = np.random.default_rng((seed, 10)).permutation(samples)[:SAMPLES]
    return [[int(sample)] for sample in chosen]


def same(samples: int, seed: int) -> list[list[int]]:
    """Return as many queries of one sample."""
    return different(samples, seed)[:1] * min(SAMPLES, samples)
