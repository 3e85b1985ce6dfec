"""AMR on Charm4py: a member's pieces of all grids a chare; or Charm moves chares with their pieces."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from charm4py import charm

from prk import kernel
from prk.amr import serial
from prk.amr.problem import Amr

from .._tagged import amr
from . import movable
from .team import Timed

# Points that are given to a part, or come from one.
Lanes = Sequence[tuple[int, np.ndarray]]


class Members(Timed, amr.Kernel):
    """One chare's share."""


class Block(serial.Kernel):
    """A member's pieces, which move with its chare.

    A repetition's first step is the background's, to which belongs what a new refinement is interpolated
    from. Each update of a refinement is one more.
    """

    def setup(self) -> None:
        super().setup()
        # How many steps of this repetition are done.
        self.stage, rank = 0, self.comm.rank
        self.edges: list[Lanes] = []
        self.ghosts: list[Lanes] = []
        for piece in self.pieces:
            sides = [s for axis in piece.sides() for s in axis]
            self.edges.append([(s.neighbour, piece.inp[s.edge]) for s in sides if s.neighbour is not None])
            self.ghosts.append([(s.neighbour, piece.inp[s.ghost]) for s in sides if s.neighbour is not None])
        feeds = self.layout.feeds
        self.given = [[(to, self.having(box)) for to, box in feed.outgoing(rank)] for feed in feeds]
        self.taken = [
            [(owner, self.lacking(number, box)) for owner, box in feed.incoming(rank)]
            for number, feed in enumerate(feeds)
        ]

    def lanes(self, halos: Sequence[Lanes], feeds: Sequence[Lanes]) -> Lanes:
        """Return what of all that is given, or comes, belongs to this step."""
        number = self.problem.living(self.done)
        if self.stage:
            return halos[1 + number]
        return [*halos[0], *(feeds[number] if self.problem.begins(self.done) else ())]

    def give(self) -> Mapping[int, list[np.ndarray]]:
        out: dict[int, list[np.ndarray]] = defaultdict(list)
        for to, points in self.lanes(self.edges, self.given):
            # A copy: the message may be under way, or lie in this process, when the points change.
            out[to].append(points.copy())
        return out

    @property
    def awaited(self) -> int:
        return len({source for source, _ in self.lanes(self.ghosts, self.taken)})

    def take(self, came: Mapping[int, list[np.ndarray]]) -> bool:
        parts: dict[int, Iterator[np.ndarray]] = {source: iter(some) for source, some in came.items()}
        for source, points in self.lanes(self.ghosts, self.taken):
            points[:] = next(parts[source])
        number = self.problem.living(self.done)
        if not self.stage and self.problem.begins(self.done):
            self.collect(number)
            self.compute(partial(self.interpolate, number))
        piece = self.refinements[number] if self.stage else self.background
        if piece.tile.shape[0]:
            self.compute(piece.update)
        self.stage += 1
        if self.stage < steps(self.problem, self.done):
            return False
        self.stage, self.done = 0, self.done + 1
        self.look()
        return self.pausing

    @property
    def pausing(self) -> bool:
        """Tell whether Charm looks at the load after this repetition."""
        return self.done % self.options["lb_period"] == 0 and self.done not in (1, self.problem.repetitions)

    @property
    def changing(self) -> bool:
        # What balancing takes is told of a period that ends with it.
        return super().changing or self.pausing

    @property
    def workers(self) -> Sequence[tuple[int, int | None]]:
        return [(self.comm.rank, charm.myPe())]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pack it, without the ghosts, which are filled before they are read."""
        counts = {name: vars(self)[name] for name in ("done", "stage", "told", "seconds", "periods")}
        return unpacked, (self.problem, self.comm, self.options, self.save(), counts)


def unpacked(
    problem: Amr, place: movable.Place, options: Mapping[str, Any], fields: Any, counts: Mapping[str, Any]
) -> Block:
    """Return a block as it was packed."""
    block = Block(problem, place, options)
    block.restore(fields, 0)
    vars(block).update(counts)
    return block


def made(problem: Amr, size: int, options: Mapping[str, Any], index: int) -> Block:
    """Return a new block."""
    return Block(problem, movable.Place(index, size), options)


def steps(problem: Amr, repetition: int) -> int:
    """Return how many steps a repetition has."""
    return 1 + problem.sub * problem.lives(repetition)


class Blocks(movable.Kernel[Amr]):
    """The block of this member's number."""

    def make(self) -> Callable[[int], Block]:
        return partial(made, self.problem, self.comm.size, self.options)

    def steps(self, first: int, last: int) -> int:
        return sum(steps(self.problem, repetition) for repetition in range(first, last))


def Kernel(problem: Amr, comm: Any, options: Mapping[str, Any]) -> kernel.Kernel[Amr]:
    """Return this member's share, in the variant that the options name."""
    return (Blocks if options["variant"] == "blocks" else Members)(problem, comm, options)
