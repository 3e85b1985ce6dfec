"""DGEMM on JAX: blocks gathered along the axes of the mesh, and their product; or that of whole matrices."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from prk.dgemm import schedule
from prk.dgemm.problem import Dgemm

from . import shares

# The axes of the mesh along which rows and columns are divided.
AXES = "y", "x"


class Kernel(shares.Kernel[Dgemm]):
    """This member's blocks of the three matrices."""

    def setup(self) -> None:
        n, (rows, columns) = self.problem.order, schedule.grid(self.comm.size)
        row, column = divmod(self.comm.rank, columns)
        height, width = -(-n // rows), -(-n // columns)
        block = np.tile(column * width + np.arange(width, dtype=float), (height, 1))
        where = shares.part(n, rows, row), shares.part(n, columns, column)
        mesh = shares.mesh(self.comm, (rows, columns), AXES)
        kept = {"A": block, "B": block}
        self.divide(where, {"C": np.zeros_like(block)}, kept, (mesh, PartitionSpec(*AXES)))

    @staticmethod
    def explicit(problem: Dgemm, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            a = gathered(kept["A"], mesh, "x", 1)
            b = gathered(kept["B"], mesh, "y", 0)
            return {"C": changed["C"] + product(problem, a, b)}

        return step

    @staticmethod
    def compiler(problem: Dgemm, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            return {"C": changed["C"] + product(problem, kept["A"], kept["B"])}

        return step


def gathered(block: Any, mesh: Mesh, name: str, axis: int) -> Any:
    """Return the blocks of all members along an axis of the mesh; gloo says so of who is alone there."""
    return block if mesh.shape[name] == 1 else lax.all_gather(block, name, axis=axis, tiled=True)


def product(problem: Dgemm, a: Any, b: Any) -> Any:
    """Return the product of rows of A and columns of B, of which the last ones may stand out."""
    return jnp.dot(a[:, : problem.order], b[: problem.order], precision=lax.Precision.HIGHEST)
