"""Reduce on JAX: a sum over the members, which all get and the first one keeps; or one of the whole array."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from prk.reduce.problem import Reduce

from . import shares


class Kernel(shares.Kernel[Reduce]):
    """This member's vector and its ones, a row each."""

    def setup(self) -> None:
        rank, ones = self.comm.rank, np.ones((1, self.problem.n))
        where = slice(rank, rank + 1), slice(0, self.problem.n)
        self.divide(where, {"v": ones}, {"ones": ones}, shares.line(self.comm))

    @staticmethod
    def explicit(problem: Reduce, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            v = changed["v"] + kept["ones"]
            return {"v": jnp.where(lax.axis_index("ranks") == 0, lax.psum(v, "ranks"), v)}

        return step

    @staticmethod
    def compiler(problem: Reduce, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            v = changed["v"] + kept["ones"]
            rows = jnp.arange(len(v))[:, None]
            return {"v": jnp.where(rows == 0, v.sum(0, keepdims=True), v)}

        return step
