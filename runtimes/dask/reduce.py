"""Reduce on Dask: messages up a binary tree of members, or the vectors as a dask.array, and its sum."""

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np

from prk.reduce import loops, schedules, serial
from prk.reduce.problem import Reduce
from prk.team import Messages

from .._tagged import counted
from . import AHEAD, SEGMENT
from .arrays import Arrays


class Tree(serial.Kernel):
    """This member's vectors; segments of sums go up the tree, and few of them are on their way."""

    comm: Messages

    def setup(self) -> None:
        super().setup()
        self.children, self.parent = schedules.node("binary-tree", self.comm.rank, self.comm.size)
        self.segments, self.done = -(-self.problem.n // SEGMENT), 0

    def step(self) -> None:
        for start in range(0, self.v.size, SEGMENT):
            self.comm.repetitions += 1
            part = self.v[start : start + SEGMENT]
            loops.add(part, self.ones[start : start + SEGMENT])
            if self.parent is None:
                self.gather(part)
            else:
                self.give(part.copy(), self.parent)

    def gather(self, total: np.ndarray) -> None:
        """Add the children's sums of a segment to a total."""
        for child in self.children:
            (part,) = self.comm.receive((self.comm.repetitions, "sum", child))
            loops.add(total, part)
            self.comm.send(child, (self.comm.repetitions, "taken"))

    def give(self, total: np.ndarray, parent: int) -> None:
        """Send the sums of a segment to the parent, once it has taken an earlier one."""
        self.gather(total)
        self.done += 1
        if self.done > AHEAD:
            self.comm.receive((self.comm.repetitions - AHEAD, "taken"))
        self.comm.send(parent, (self.comm.repetitions, "sum", self.comm.rank), total)

    def findings(self) -> dict[str, Any]:
        return counted(self.comm, len(self.children) * self.segments)


class Array(Arrays, serial.Kernel):
    """The vectors as dask.arrays, a row each."""

    names = ("v", "ones")

    def span(self) -> tuple[int, int]:
        return self.comm.rank, self.comm.rank + 1

    def made(self) -> dict[str, Any]:
        shape = self.comm.size, self.problem.n
        return {name: da.ones(shape, chunks=(1, self.problem.n)) for name in self.names}

    def step(self) -> None:
        v = self.arrays["v"] + self.arrays["ones"]
        self.arrays["v"] = da.concatenate([v.sum(axis=0, keepdims=True), v[1:]])  # type: ignore[attr-defined]
        self.settle()


def Kernel(problem: Reduce, comm: Any, options: Mapping[str, Any]) -> serial.Kernel:
    """Return this member's share, in the variant that the options name."""
    return (Array if options["variant"] == "array" else Tree)(problem, comm, options)
