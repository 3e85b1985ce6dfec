"""Nstream on JAX: nothing is communicated, and XLA computes."""

from typing import Any

import numpy as np
from jax.sharding import Mesh

from prk.nstream.problem import Nstream

from . import shares


class Kernel(shares.Kernel[Nstream]):
    """This member's shares of the three vectors."""

    def setup(self) -> None:
        rank, size, n = self.comm.rank, self.comm.size, self.problem.n
        length = -(-n // size)
        twos = np.full(length, 2.0)
        vectors = {"b": twos, "c": twos}
        self.divide((shares.part(n, size, rank),), {"a": np.zeros(length)}, vectors, shares.line(self.comm))

    @staticmethod
    def compiler(problem: Nstream, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            return {"a": changed["a"] + (kept["b"] + 3.0 * kept["c"])}

        return step
