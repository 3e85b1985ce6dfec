"""Synch_global on JAX: an all_gather of the digits, or what the compiler makes of a transposed string."""

from typing import Any

import numpy as np
from jax import lax
from jax.sharding import Mesh

from prk.check import Box, Fields
from prk.synch_global.problem import SynchGlobal

from . import shares


class Kernel(shares.Kernel[SynchGlobal]):
    """This member's digits."""

    def setup(self) -> None:
        rank, size, n = self.comm.rank, self.comm.size, self.problem.n
        where = (shares.part(n, size, rank),)
        self.divide(where, {"digits": self.problem.start(size)}, {}, shares.line(self.comm))

    @staticmethod
    def explicit(problem: SynchGlobal, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            string = lax.all_gather(changed["digits"], "ranks", tiled=True)
            rows = string.reshape(-1, mesh.size)
            return {"digits": lax.dynamic_index_in_dim(rows, lax.axis_index("ranks"), 1, keepdims=False)}

        return step

    @staticmethod
    def compiler(problem: SynchGlobal, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            return {"digits": changed["digits"].reshape(-1, mesh.size).T.reshape(-1)}

        return step

    def fields(self) -> Fields:
        rank = slice(self.comm.rank, self.comm.rank + 1)
        return {"members": Box((rank,), np.array([self.comm.size])), **super().fields()}
