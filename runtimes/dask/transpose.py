"""Transpose on Dask: messages of blocks between members, or the whole matrix as a dask.array."""

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
from distributed import get_client, get_worker, wait

from prk.check import Box, Fields
from prk.transpose import serial
from prk.transpose.problem import Transpose

from .._tagged import transpose
from . import SIDE


class Blocks(transpose.Kernel):
    """This member's column blocks, exchanged by messages."""

    side = SIDE


class Array(serial.Kernel):
    """The matrices as dask.arrays: the first member asks for what is done, the scheduler has it done."""

    def setup(self) -> None:
        n, size = self.problem.order, self.comm.size
        self.columns = self.problem.columns(self.comm.rank, size)
        self.client = get_client()
        self.comm.repetitions += 1
        self.name = f"prk-transpose-{self.comm.repetitions}"
        self.shares: dict[str, np.ndarray] = {}
        self.published = False
        if self.comm.rank == 0:
            self.blocks = ((n // size,) * size, (n,))
            columns = da.arange(n, chunks=(self.blocks[0],), dtype=float)
            rows = da.arange(n, chunks=(n,), dtype=float)
            self.A, self.B = n * columns[:, None] + rows, da.zeros((n, n), chunks=self.blocks)
            self.settle()

    def settle(self) -> None:
        """Compute what was said so far; two repetitions in one graph would hold the matrix twice."""
        self.A, self.B = self.client.persist([self.A, self.B])
        wait([self.A, self.B])

    def step(self) -> None:
        self.B = self.B + self.A.T.rechunk(self.blocks, method="p2p")  # type: ignore[attr-defined]
        self.A = self.A + 1.0
        self.settle()

    def repeat(self, count: int) -> None:
        self.shares.clear()
        if self.comm.rank == 0:
            super().repeat(count)
        self.comm.barrier()

    def fields(self) -> Fields:
        if not self.shares:
            if self.comm.rank == 0:
                self.published = True
                self.client.publish_dataset([self.A, self.B], name=self.name, override=True)
            self.comm.barrier()
            mine = [m.blocks[self.comm.rank] for m in self.client.get_dataset(self.name)]
            futures = self.client.compute(mine, workers=[get_worker().address])
            self.shares = dict(zip("AB", self.client.gather(futures), strict=True))
        where = slice(*self.columns), slice(0, self.problem.order)
        return {name: Box(where, share) for name, share in self.shares.items()}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        raise NotImplementedError("the matrices are the scheduler's: no member can put its share back")

    def close(self) -> None:
        self.comm.barrier()
        if self.published:
            self.client.unpublish_dataset(self.name)


def Kernel(problem: Transpose, comm: Any, options: Mapping[str, Any]) -> serial.Kernel:
    """Return this member's share, in the variant that the options name."""
    return (Array if options["variant"] == "array" else Blocks)(problem, comm, options)
