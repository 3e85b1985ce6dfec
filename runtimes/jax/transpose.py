"""Transpose on JAX: all blocks by one all_to_all, or by what the compiler makes of a transposed array."""

from typing import Any

import numpy as np
from jax import lax
from jax.sharding import Mesh

from prk.transpose.problem import Transpose

from . import shares


class Kernel(shares.Kernel[Transpose]):
    """This member's columns of both matrices, stored [column, row]."""

    def setup(self) -> None:
        n, columns = self.problem.order, self.problem.columns(self.comm.rank, self.comm.size)
        a = n * np.arange(*columns, dtype=float)[:, None] + np.arange(n, dtype=float)
        where = slice(*columns), slice(0, n)
        self.divide(where, {"A": a, "B": np.zeros_like(a)}, {}, shares.line(self.comm))

    @staticmethod
    def explicit(problem: Transpose, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            a, b = changed["A"], changed["B"]
            # From every member the rows whose columns of B are here.
            blocks = lax.all_to_all(a, "ranks", split_axis=1, concat_axis=0, tiled=True)
            return {"A": a + 1.0, "B": b + blocks.T}

        return step

    @staticmethod
    def compiler(problem: Transpose, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            return {"A": changed["A"] + 1.0, "B": changed["B"] + changed["A"].T}

        return step
