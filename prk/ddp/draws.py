"""Random numbers by seed, step and sample: the same on any rank, whichever samples it has."""

import numpy as np


def mixed(words: np.ndarray) -> np.ndarray:
    """Return other words of 64 bits, hardly related to those given (the last steps of splitmix64)."""
    with np.errstate(over="ignore"):
        words = words + np.uint64(0x9E3779B97F4A7C15)
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def uniform(seed: int, step: int, samples: np.ndarray, count: int) -> np.ndarray:
    """Return `count` numbers in [0, 1) for each sample in a step: samples x count."""
    keys = mixed(mixed(np.array([seed * 1_000_003 + step], np.uint64)) + np.asarray(samples, np.uint64))
    words = mixed(keys[:, None] + np.arange(count, dtype=np.uint64))
    return (words >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
