"""What can be done to a tile before it travels; found here by name."""

from typing import Any

import numpy as np

from prk.adaptive import loops
from prk.adaptive.scheduler import Optimisation


class Compression(Optimisation):
    """A tile with few non-zeros becomes a list of places and values."""

    name = "compression"

    def __init__(self, problem: Any):
        super().__init__(problem.alpha, problem.beta)
        self.threshold, self.early = problem.threshold, problem.scan == "early"

    def apply(self, parcel: np.ndarray) -> np.ndarray:
        pairs = np.empty(2 * self.threshold)
        count = loops.compress(parcel, pairs, self.threshold, self.early)
        return parcel if count < 0 else pairs[: 2 * count]


class Float32(Optimisation):
    """Numbers travel in single precision, which holds those of the matrix exactly."""

    name = "float32"

    def __init__(self, problem: Any):
        super().__init__(problem.alpha, problem.beta)

    def apply(self, parcel: np.ndarray) -> np.ndarray:
        return parcel.astype(np.float32)


# In the order in which they are applied.
BY_NAME = {one.name: one for one in (Compression, Float32)}
