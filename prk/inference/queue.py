"""Samples that wait to be computed, in batches by size and deadline; how they come in and go out."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """Samples that are computed together: their queries' numbers, and which ones they are."""

    ids: tuple[int, ...]
    samples: np.ndarray


class Queue:
    """Samples in the order in which they came; a batch is due when it is full, or its first sample is late.

    most: samples in a batch; delay: seconds that a sample waits for others.
    """

    def __init__(self, most: int, delay: float):
        self.most, self.delay = most, delay
        self.waiting: deque[tuple[int, int, float]] = deque()
        self.news = threading.Condition()
        self.came = False

    def put(self, asked: Iterable[tuple[int, int]]) -> None:
        """Take in samples, each with its query's number; by any thread."""
        now = time.perf_counter()
        with self.news:
            self.waiting.extend((number, sample, now) for number, sample in asked)
            self.tell()

    def tell(self) -> None:
        """Wake whoever waits; called with `news` held."""
        self.came = True
        self.news.notify()

    def due(self) -> float:
        """Return the seconds until there is a batch: none if it is there, infinite if nothing waits."""
        if not self.waiting:
            return np.inf
        if len(self.waiting) >= self.most:
            return 0.0
        return max(0.0, self.waiting[0][2] + self.delay - time.perf_counter())

    def take(self) -> Batch:
        """Return the next batch, which is due."""
        with self.news:
            chosen = [self.waiting.popleft() for _ in range(min(self.most, len(self.waiting)))]
        ids, samples, _ = zip(*chosen, strict=True)
        return Batch(ids, np.array(samples, np.int64))

    def wait(self, seconds: float) -> None:
        """Return when something has come since the last call, or after so many seconds."""
        with self.news:
            if not self.came:
                self.news.wait(seconds)
            self.came = False
