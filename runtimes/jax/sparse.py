"""Sparse on JAX: the vector by an all_gather, or what the compiler makes of its elements by their columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import lax
from jax.sharding import Mesh

from prk.check import Fields
from prk.sparse import serial
from prk.sparse.problem import Sparse

from . import shares


class Kernel(shares.Kernel[Sparse]):
    """This member's rows and slice; what the serial version sets up is where they begin and end."""

    def setup(self) -> None:
        self.base = serial.Kernel(self.problem, self.comm, {})
        shape = self.base.rows, self.problem.row_length
        self.base.update()
        # What every element grows by; none of those between the lines does.
        kept = {"growth": self.base.own.reshape(-1).copy(), "matrix": self.base.matrix.reshape(shape)}
        self.base.own[:] = 0.0
        columns = {"columns": self.base.columns.reshape(shape)}
        self.divide((), self.state(), {**kept, **columns}, shares.line(self.comm))

    def state(self) -> dict[str, np.ndarray]:
        """Return what a repetition changes, as the serial version has it."""
        return {"vector": self.base.own.reshape(-1), "result": self.base.result}

    @staticmethod
    def explicit(problem: Sparse, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            vector = changed["vector"] + kept["growth"]
            whole = lax.all_gather(vector, "ranks", tiled=True)
            return {"vector": vector, "result": changed["result"] + multiplied(kept, whole)}

        return step

    @staticmethod
    def compiler(problem: Sparse, mesh: Mesh) -> shares.Step:
        def step(changed: Any, kept: Any) -> Any:
            vector = changed["vector"] + kept["growth"]
            return {"vector": vector, "result": changed["result"] + multiplied(kept, vector)}

        return step

    def fields(self) -> Fields:
        for name, array in self.state().items():
            array[:] = shares.own(self.changed[name])
        return self.base.fields()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.base.restore(state, repetition)
        matrix = self.base.matrix.reshape(-1, self.problem.row_length)
        self.changed = {name: self.placed(array) for name, array in self.state().items()}
        self.kept = {**self.kept, "matrix": self.placed(matrix)}


def multiplied(kept: Any, vector: Any) -> Any:
    """Return the products of rows of the matrix with the vector."""
    return (kept["matrix"] * vector.at[kept["columns"]].get(mode="promise_in_bounds")).sum(1)
