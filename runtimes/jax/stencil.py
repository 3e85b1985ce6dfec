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
    """This member's tile; where it says itself what is sent, the input is inside a frame of ghosts."""

    def setup(self) -> None:
        n, dtype, (px, py) = self.problem.n, self.problem.dtype, decomposition.grid(self.comm.size)
        iy, ix = divmod(self.comm.rank, px)
        height, width = -(-n // py), -(-n // px)
        rows, cols = iy * height + np.arange(height), ix * width + np.arange(width)
        self.depth = self.problem.radius if self.options["variant"] == "explicit" else 0
        inp = np.pad((rows[:, None] + cols).astype(dtype), self.depth)
        self.divide(
            (shares.part(n, py, iy), shares.part(n, px, ix)),
            {"in": inp, "out": np.zeros((height, width), dtype)},
            {},
            (shares.mesh(self.comm, (py, px), AXES), PartitionSpec(*AXES)),
        )

    def inside(self, name: str) -> tuple[slice, ...]:
        depth = self.depth if name == "in" else 0
        return tuple(slice(depth + i.start, depth + i.stop) for i in super().inside(name))

    @staticmethod
    def explicit(problem: Stencil, mesh: Mesh) -> shares.Step:
        r = problem.radius

        def step(changed: Any, kept: Any) -> Any:
            inp, out = changed["in"], changed["out"]
            height, width = out.shape
            for axis, name in enumerate(AXES):
                inp = exchanged(inp, r, axis, name, mesh.shape[name])

            def shifted(down: int, right: int) -> Any:
                return inp[r + down : r + down + height, r + right : r + right + width]

            first = lax.axis_index("y") * height, lax.axis_index("x") * width
            out = out + swept(problem, out.shape, first, shifted)
            return {"in": inp.at[r : r + height, r : r + width].add(1), "out": out}

        return step

    @staticmethod
    def compiler(problem: Stencil, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            inp, out = changed["in"], changed["out"]

            def shifted(down: int, right: int) -> Any:
                return lax.pad(inp, inp.dtype.type(0), [(-down, down, 0), (-right, right, 0)])

            return {"in": inp + 1, "out": out + swept(problem, out.shape, (0, 0), shifted)}

        return step


def exchanged(inp: Any, r: int, axis: int, name: str, parts: int) -> Any:
    """Return a framed share with the ghosts at both ends of an axis from its neighbours along the mesh."""
    if parts == 1:
        return inp
    last = inp.shape[axis] - r
    low, high = (lax.slice_in_dim(inp, first, first + r, axis=axis) for first in (r, last - r))
    upwards = [(i, i + 1) for i in range(parts - 1)]
    downwards = [(i + 1, i) for i in range(parts - 1)]
    inp = lax.dynamic_update_slice_in_dim(inp, lax.ppermute(high, name, upwards), 0, axis)
    return lax.dynamic_update_slice_in_dim(inp, lax.ppermute(low, name, downwards), last, axis)


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
