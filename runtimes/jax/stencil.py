"""Stencil on JAX: edges by permutations, first of rows, then of columns; or one program of the whole grid.

With `explicit` a share stays in its frame of ghosts, and a repetition changes both arrays in place.
"""

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
        out = np.zeros_like(inp)
        if self.options["variant"] == "explicit":
            self.frames = {"in": self.problem.radius}
            inp = np.pad(inp, self.problem.radius)
        where = shares.part(n, py, iy), shares.part(n, px, ix)
        mesh = shares.mesh(self.comm, (py, px), AXES)
        self.divide(where, {"in": inp, "out": out}, {}, (mesh, PartitionSpec(*AXES)))

    @staticmethod
    def explicit(problem: Stencil, mesh: Mesh) -> shares.Step:
        r = problem.radius

        def step(changed: Any, kept: Any) -> Any:
            inp, out = changed["in"], changed["out"]
            height, width = out.shape
            for axis, name in enumerate(AXES):
                inp = exchange(inp, r, axis, name, mesh.shape[name])

            def shifted(down: int, right: int) -> Any:
                return inp[r + down : r + down + height, r + right : r + right + width]

            first = lax.axis_index("y") * height, lax.axis_index("x") * width
            out += swept(problem, out.shape, first, shifted)
            return {"in": inp + shares.one(out[0, 0]), "out": out}

        return step

    @staticmethod
    def compiler(problem: Stencil, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            inp, out = changed["in"], changed["out"]

            def shifted(down: int, right: int) -> Any:
                return lax.pad(inp, inp.dtype.type(0), [(-down, down, 0), (-right, right, 0)])

            return {"in": inp + 1, "out": out + swept(problem, out.shape, (0, 0), shifted)}

        return step


def exchange(inp: Any, r: int, axis: int, name: str, parts: int) -> Any:
    """Return a framed share with its neighbours' edges along the mesh as ghosts; others mean nothing.

    The second edge is taken when the first ghosts are there: of both at a time XLA would copy the share.
    """
    end = inp.shape[axis] - r
    up, down = [(i, i + 1) for i in range(parts - 1)], [(i + 1, i) for i in range(parts - 1)]
    for edge, ghosts, pairs in ((end - r, 0, up), (r, end, down)) if parts > 1 else ():
        moved = lax.ppermute(lax.slice_in_dim(inp, edge, edge + r, axis=axis), name, pairs)
        inp = lax.dynamic_update_slice_in_dim(inp, moved, ghosts, axis)
    return inp


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
