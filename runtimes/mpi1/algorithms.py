"""Allreduce by point-to-point messages: ring, recursive doubling, Rabenseifner.

Each is made once for two fixed arrays, source and result (which may be the same), and then called as often as
wanted. All receives of a step are posted before its sends; large parts travel in segments, so that one
segment is summed while the next ones arrive.
"""

from typing import Any

import numpy as np
from mpi4py import MPI

from prk.allreduce import schedules

from .sent import SEGMENT


class Algorithm:
    """The arrays, a landing buffer for what arrives, and the segments' length."""

    def __init__(self, comm: Any, source: np.ndarray, result: np.ndarray):
        self.comm, self.source, self.result = comm, source, result
        self.landing = np.empty_like(result)
        self.segment = SEGMENT // result.itemsize
        self.prepare()

    def prepare(self) -> None:
        """Work out the schedule."""

    def __call__(self) -> None:
        """Leave the sum of all sources in the result."""
        raise NotImplementedError

    def cut(self, part: slice) -> list[slice]:
        return schedules.segments(part, self.segment)

    def receive(self, into: np.ndarray, part: slice, source: int) -> list[MPI.Request]:
        """Post the receives of a part, a request a segment."""
        return [self.comm.Irecv(into[s], source) for s in self.cut(part)]

    def send(self, array: np.ndarray, part: slice, to: int) -> list[MPI.Request]:
        return [self.comm.Isend(array[s], to) for s in self.cut(part)]

    def exchange_and_add(self, array: np.ndarray, give: slice, keep: slice, partner: int) -> None:
        """Give one part of the array away; leave array + what comes in the result's other part."""
        receives = self.receive(self.landing, keep, partner)
        sends = self.send(array, give, partner)
        for request, s in zip(receives, self.cut(keep), strict=True):
            request.Wait()
            np.add(array[s], self.landing[s], out=self.result[s])
        MPI.Request.Waitall(sends)


class Ring(Algorithm):
    """Every part goes round once to be summed, once more to be known: least traffic, 2 (P - 1) latencies."""

    def prepare(self) -> None:
        rank, size = self.comm.rank, self.comm.size
        self.left, self.right = (rank - 1) % size, (rank + 1) % size
        self.steps = schedules.ring(rank, size, self.result.size)

    def __call__(self) -> None:
        if not self.steps:
            np.copyto(self.result, self.source)
            return
        half = len(self.steps) // 2
        # Partial sums stay in the landing buffer: the result's parts are free for what the ring brings back.
        receives = [self.receive(self.landing, part, self.left) for _, part in self.steps[:half]]
        sends = self.send(self.source, self.steps[0][0], self.right)
        for number, (step, (_, part)) in enumerate(zip(receives, self.steps[:half], strict=True)):
            into = self.result if number == half - 1 else self.landing
            for request, s in zip(step, self.cut(part), strict=True):
                request.Wait()
                np.add(self.source[s], self.landing[s], out=into[s])
                sends.append(self.comm.Isend(into[s], self.right))
        receives = [self.receive(self.result, part, self.left) for _, part in self.steps[half:]]
        for number, (step, (_, part)) in enumerate(zip(receives, self.steps[half:], strict=True)):
            for request, s in zip(step, self.cut(part), strict=True):
                request.Wait()
                if number < half - 1:
                    sends.append(self.comm.Isend(self.result[s], self.right))
        MPI.Request.Waitall(sends)


class Folded(Algorithm):
    """An algorithm for a power of two, with the other ranks folded into their neighbours before and after."""

    def prepare(self) -> None:
        self.whole = slice(0, self.result.size)
        self.fold = schedules.fold(self.comm.rank, self.comm.size)

    def __call__(self) -> None:
        fold = self.fold
        if fold.gives_to is not None:
            MPI.Request.Waitall(self.send(self.source, self.whole, fold.gives_to))
            MPI.Request.Waitall(self.receive(self.result, self.whole, fold.gives_to))
            return
        source = self.source
        if fold.takes_from is not None:
            self.exchange_and_add(source, slice(0, 0), self.whole, fold.takes_from)
            source = self.result
        self.reduce(source)
        if fold.takes_from is not None:
            MPI.Request.Waitall(self.send(self.result, self.whole, fold.takes_from))

    def reduce(self, source: np.ndarray) -> None:
        """Leave in the result the sum of the sources of the ranks that remain."""
        raise NotImplementedError


class RecursiveDoubling(Folded):
    """Whole vectors between partners at distances 1, 2, 4: log2(P) latencies, for small messages."""

    def prepare(self) -> None:
        super().prepare()
        index, size = self.fold.index, self.comm.size
        steps = [] if index is None else schedules.halvings(index, size, self.result.size)
        self.partners = [step.partner for step in steps]

    def reduce(self, source: np.ndarray) -> None:
        for partner in self.partners:
            self.comm.Sendrecv(source, partner, recvbuf=self.landing, source=partner)
            np.add(source, self.landing, out=self.result)
            source = self.result
        if source is not self.result:
            np.copyto(self.result, source)


class Rabenseifner(Folded):
    """Recursive halving to reduce, recursive doubling to gather: log2(P) latencies and little traffic."""

    def prepare(self) -> None:
        super().prepare()
        index = self.fold.index
        self.steps = [] if index is None else schedules.halvings(index, self.comm.size, self.result.size)

    def reduce(self, source: np.ndarray) -> None:
        for step in self.steps:
            self.exchange_and_add(source, step.give, step.keep, step.partner)
            source = self.result
        if source is not self.result:
            np.copyto(self.result, source)
        for step in reversed(self.steps):
            receives = self.receive(self.result, step.give, step.partner)
            MPI.Request.Waitall([*self.send(self.result, step.keep, step.partner), *receives])


BY_NAME = {"ring": Ring, "recursive-doubling": RecursiveDoubling, "rabenseifner": Rabenseifner}
