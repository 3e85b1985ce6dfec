"""What can be done to a tile before it travels; found here by name."""

from typing import Any

import numpy as np

from prk.adaptive.scheduler import Optimisation


class Compression(Optimisation):
    """A tile with few non-zeros becomes a list of places and values."""

    name = "compression"

    def __init__(self, problem: Any):
        # Numba, which a plan does without.
        from prk.adaptive import loops

        super().__init__(problem.alpha, problem.beta)
        self.threshold, self.early, self.compress = problem.threshold, problem.scan == "early", loops.compress

    def apply(self, parcel: np.ndarray) -> np.ndarray:
        pairs = np.empty(2 * self.threshold)
        count = self.compress(parcel, pairs, self.threshold, self.early)
        return parcel if count < 0 else pairs[: 2 * count]

    @classmethod
    def left(cls, problem: Any, sent: np.ndarray, nonzeros: np.ndarray) -> np.ndarray:
        return np.where(nonzeros < problem.threshold, sent // problem.tile**2 * 2 * nonzeros, sent)


class Float32(Optimisation):
    """Numbers travel in single precision, which holds those of the matrix exactly."""

    name = "float32"

    def __init__(self, problem: Any):
        super().__init__(problem.alpha, problem.beta)

    def apply(self, parcel: np.ndarray) -> np.ndarray:
        return parcel.astype(np.float32)

    @classmethod
    def left(cls, problem: Any, sent: np.ndarray, nonzeros: np.ndarray) -> np.ndarray:
        return sent // 2


# In the order in which they are applied.
BY_NAME = {one.name: one for one in (Compression, Float32)}
