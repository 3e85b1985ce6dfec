"""Kernels whose fields are dask.arrays: the first member asks for what is done, the scheduler has it done."""

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
from distributed import get_client, get_worker, wait

from prk.check import Box, Fields


class Arrays:
    """Fields of two dimensions, in blocks of whole rows, one a member; mixed into a kernel's serial version.

    `arrays` has them by name, on the first member; `rows` is the range of this member's.
    """

    # A kernel's own.
    comm: Any
    names: tuple[str, ...]

    def setup(self) -> None:
        self.client = get_client()
        self.comm.repetitions += 1
        self.dataset = f"prk-{type(self).__module__}-{self.comm.repetitions}"
        self.shares: dict[str, np.ndarray] = {}
        self.published = False
        self.rows = self.span()
        self.arrays: dict[str, Any] = {}
        if self.comm.rank == 0:
            self.arrays = self.made()
            self.settle()

    def span(self) -> tuple[int, int]:
        """Return the half-open range of rows that this member owns."""
        raise NotImplementedError

    def made(self) -> dict[str, Any]:
        """Return the fields with their first values, by name."""
        raise NotImplementedError

    def settle(self) -> None:
        """Compute what was said so far; two repetitions in one graph would hold the fields twice."""
        settled = self.client.persist(list(self.arrays.values()))
        wait(settled)
        self.arrays = dict(zip(self.arrays, settled, strict=True))

    def repeat(self, count: int) -> None:
        self.shares.clear()
        if self.comm.rank == 0:
            super().repeat(count)  # type: ignore[misc]
        self.comm.barrier()

    def fields(self) -> Fields:
        if not self.shares:
            if self.comm.rank == 0:
                self.published = True
                self.client.publish_dataset(self.arrays, name=self.dataset, override=True)
            self.comm.barrier()
            whole = self.client.get_dataset(self.dataset)
            mine = [whole[name].blocks[self.comm.rank] for name in self.names]
            futures = self.client.compute(mine, workers=[get_worker().address])
            self.shares = dict(zip(self.names, self.client.gather(futures), strict=True))
        where = slice(*self.rows)
        return {name: Box((where, slice(0, s.shape[1])), s) for name, s in self.shares.items()}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        home = [get_worker().address]
        mine = [self.client.scatter(np.array(state[name]), workers=home, hash=False) for name in self.names]
        shares = self.comm.gather([(f, state[name].shape) for f, name in zip(mine, self.names, strict=True)])
        if shares is not None:
            self.arrays = {
                name: da.concatenate([da.from_delayed(f, shape, float) for f, shape in one])  # type: ignore[attr-defined]
                for name, one in zip(self.names, zip(*shares, strict=True), strict=True)
            }
            self.settle()
        self.comm.barrier()
        self.shares.clear()

    def close(self) -> None:
        self.comm.barrier()
        if self.published:
            self.client.unpublish_dataset(self.dataset)
