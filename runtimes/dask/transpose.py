"""Transpose on Dask: messages of blocks between members, or the whole matrix as a dask.array."""

from collections.abc import Mapping
from typing import Any

import dask.array as da

from prk.transpose import serial
from prk.transpose.problem import Transpose

from .._tagged import transpose
from . import SIDE
from .arrays import Arrays


class Blocks(transpose.Kernel):
    """This member's column blocks, exchanged by messages."""

    side = SIDE


class Array(Arrays, serial.Kernel):
    """The matrices as dask.arrays, their columns as rows."""

    names = ("A", "B")

    def span(self) -> tuple[int, int]:
        return self.problem.columns(self.comm.rank, self.comm.size)

    def made(self) -> dict[str, Any]:
        n, size = self.problem.order, self.comm.size
        self.blocks = ((n // size,) * size, (n,))
        columns = da.arange(n, chunks=(self.blocks[0],), dtype=float)
        rows = da.arange(n, chunks=(n,), dtype=float)
        return {"A": n * columns[:, None] + rows, "B": da.zeros((n, n), chunks=self.blocks)}

    def step(self) -> None:
        A, B = self.arrays["A"], self.arrays["B"]
        self.arrays = {"A": A + 1.0, "B": B + A.T.rechunk(self.blocks, method="p2p")}
        self.settle()


def Kernel(problem: Transpose, comm: Any, options: Mapping[str, Any]) -> serial.Kernel:
    """Return this member's share, in the variant that the options name."""
    return (Array if options["variant"] == "array" else Blocks)(problem, comm, options)
