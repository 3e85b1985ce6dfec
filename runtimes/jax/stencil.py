"""Stencil on JAX: edges by permutations, first of rows, then of columns; or one program of the whole grid."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from prk import decomposition
from prk.stencil import loops
from prk.stencil.problem import Stencil

from . import shares

# The axes of the mesh along which rows and columns are divided.
AXES = "y", "x"


class Kernel(shares.Kernel[Stencil]):
    """This member's tile."""

    def setup(self) -> None:
        n, dtype, (px, py) = self.problem.n, self.problem.dtype, decomposition.grid(self.comm.size)
        iy, ix = divmod(self.comm.rank, px)
        height, width = -(-n // py), -(-n // px)
        rows, cols = iy * height + np.arange(height), ix * width + np.arange(width)
        inp = (rows[:, None] + cols).astype(dtype)
        where = shares.part(n, py, iy), shares.part(n, px, ix)
        mesh = shares.mesh(self.comm, (py, px), AXES)
        self.divide(where, {"in": inp, "out": np.zeros_like(inp)}, {}, (mesh, PartitionSpec(*AXES)))

    @staticmethod
    def explicit(problem: Stencil, mesh: Mesh) -> shares.Step:
        r = problem.radius

        def step(changed: Any, kept: Any) -> Any:
            inp, out = changed["in"], changed["out"]
            (height, width), framed = out.shape, inp
            for axis, name in enumerate(AXES):
                framed = between(framed, r, axis, name, mesh.shape[name])
            # Else XLA makes a frame for each way to shift it; and the input, if read later, is copied before.
            framed = lax.optimization_barrier(framed)

            def shifted(down: int, right: int) -> Any:
                return framed[r + down : r + down + height, r + right : r + right + width]

            first = lax.axis_index("y") * height, lax.axis_index("x") * width
            return {"in": shifted(0, 0) + 1, "out": out + swept(problem, out.shape, first, shifted)}

        return step

    @staticmethod
    def compiler(problem: Stencil, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            inp, out = changed["in"], changed["out"]

            def shifted(down: int, right: int) -> Any:
                return lax.pad(inp, inp.dtype.type(0), [(-down, down, 0), (-right, right, 0)])

            return {"in": inp + 1, "out": out + swept(problem, out.shape, (0, 0), shifted)}

        return step


def between(inp: Any, r: int, axis: int, name: str, parts: int) -> Any:
    """Return a share between the edges of its neighbours along the mesh; beyond the grid there are zeros."""
    size = inp.shape[axis]
    low, high = (lax.slice_in_dim(inp, first, first + r, axis=axis) for first in (0, size - r))
    before, after = jnp.zeros_like(high), jnp.zeros_like(low)
    if parts > 1:
        before = lax.ppermute(high, name, [(i, i + 1) for i in range(parts - 1)])
        after = lax.ppermute(low, name, [(i + 1, i) for i in range(parts - 1)])
    return lax.concatenate([before, inp, after], axis)


def swept(problem: Stencil, shape: tuple[int, int], first: Any, shifted: Callable[[int, int], Any]) -> Any:
    """Return the weighted sums of an array that begins at row and column `first`; 0 outside the interior."""
    r, (begin, end) = problem.radius, problem.interior
    weights = loops.weights(problem.pattern, r) * problem.scale
    total: Any = 0.0
    for i, j in np.argwhere(weights):
        total += float(weights[i, j]) * shifted(int(i) - r, int(j) - r)
    rows, cols = (f + lax.broadcasted_iota(np.int32, shape, axis) for axis, f in enumerate(first))
    within = (begin <= rows) & (rows < end) & (begin <= cols) & (cols < end)
    return jnp.where(within, total, 0)
