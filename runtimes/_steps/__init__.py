"""What members do in a repetition, for the runtimes that do the same: the kernels' schedules, as steps. Pure.

Functions of (problem, options, layout), as cells name them.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from prk import decomposition
from prk.allreduce import schedules
from prk.ddp import schedule as training
from prk.decomposition import SuperTiles
from prk.runtime import Options
from prk.schedule import (
    SEND,
    Exchange,
    Fastest,
    Layout,
    Meanwhile,
    Pipeline,
    Shifts,
    Step,
    Work,
)
from prk.stencil import schedule as stencil
from prk.synch_p2p import schedule as pipeline

# Blocks up to so many bytes are still in cache when they are sent, or taken out of where they landed.
CACHED = 1 << 20


def exchange(rows: Iterable[tuple[int, int, int]], way: str = SEND, completed: bool = False) -> Exchange:
    """Return the exchange of these messages: sender, receiver, bytes."""
    table = np.array(list(rows), np.int64).reshape(-1, 3)
    source, to, size = (np.ascontiguousarray(column) for column in table.T)
    return Exchange(source, to, size, way, completed)


def empty(of: Exchange, way: str, completed: bool = False) -> Exchange:
    """Return an exchange of empty messages, one to whoever is sent something, back and forth."""
    pairs = np.unique(np.stack([np.r_[of.source, of.to], np.r_[of.to, of.source]]), axis=1)
    return Exchange(pairs[0], pairs[1], np.zeros(pairs.shape[1], np.int64), way, completed)


def halos(problem: Any, layout: Layout, way: str = SEND) -> list[Exchange]:
    """Return the exchanges of halos between tiles: north and south, then west and east."""
    size, item = layout.ranks, np.dtype(problem.dtype).itemsize
    axes: list[list[tuple[int, int, int]]] = [[], []]
    for rank in range(size):
        for rows, axis in zip(axes, stencil.sides(problem.tile(rank, size), problem.radius), strict=True):
            rows += [
                (rank, side.neighbour, item * decomposition.area(side.edge))
                for side in axis
                if side.neighbour is not None
            ]
    return [exchange(rows, way) for rows in axes]


def sweep(problem: Any, areas: Sequence[int]) -> Work:
    """Return the sweep over tiles of so many points: fused, it reads and writes both fields once."""
    points = np.array(areas, float)
    item = np.dtype(problem.dtype).itemsize
    return Work(4 * item * points, (2 * problem.points + 1) * points)


def tiles(problem: Any, layout: Layout) -> Work:
    """Return the sweep over plain tiles."""
    shapes = (problem.tile(rank, layout.ranks).shape for rank in range(layout.ranks))
    return sweep(problem, [height * width for height, width in shapes])


def stencil_of_halos(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Exchange halos along one axis, then along the other, and sweep."""
    return [*halos(problem, layout), tiles(problem, layout)]


def super_tiles(problem: Any, ranks: int, group: int) -> SuperTiles:
    """Return the tiles of groups of ranks."""
    return SuperTiles(problem.n, problem.n, ranks, group, problem.radius, problem.pattern == "compact")


def boxes(problem: Any, divided: SuperTiles, way: str, completed: bool = False) -> Exchange:
    """Return the exchange of what ranks of other groups need of each tile."""
    item = np.dtype(problem.dtype).itemsize
    return exchange(
        (
            (rank, to, item * decomposition.area(box))
            for rank in range(divided.ranks)
            for to, box in divided.outgoing(rank)
        ),
        way,
        completed,
    )


def line(
    problem: Any, layout: Layout, way: Sequence[str], carries: np.ndarray, each: int = 1
) -> list[Pipeline]:
    """Return the pipeline of strips, each divided over `each` threads."""
    ends = [problem.strip(rank, layout.ranks) for rank in range(layout.ranks)]
    width = [
        b - a
        for start, stop in ends
        for a, b in (decomposition.block(stop - start, each, t) for t in range(each))
    ]
    return [Pipeline(problem.n, problem.group, np.array(width, float), tuple(way), carries, each)]


def receivers(size: int) -> list[int]:
    """Return whom each member of a pipeline tells: its right neighbour, or the first one of the corner."""
    sides = ((pipeline.neighbours(rank, size), pipeline.corner(rank, size)) for rank in range(size))
    return [max(right, first) for (_, right), (_, first) in sides]


def pipelined(way: str, alone: bool = False) -> Any:
    """Return the function of a cell whose ranks all tell each other in one way; `alone`: also one itself."""

    def steps(problem: Any, options: Options, layout: Layout) -> list[Pipeline]:
        size = layout.ranks
        carries = np.array([to != pipeline.NOBODY for to in receivers(size)]) | (alone and size == 1)
        return line(problem, layout, [way] * size, carries)

    return steps


def packed(elements: float, cached: bool) -> tuple[float, float]:
    """Return the bytes of packing and of unpacking elements, by a buffer that is in cache or not."""
    return (16.0 * elements, 16.0 * elements) if cached else (32.0 * elements, 24.0 * elements)


def diagonal(elements: float) -> Work:
    """Return the transposition of blocks that stay: A and B are both read and written."""
    return Work(32.0 * elements)


def blocks(problem: Any, layout: Layout, **more: Any) -> list[Step]:
    """Return the pairwise exchange of blocks, phase by phase."""
    size = layout.ranks
    block = (problem.order // size) ** 2
    pack, unpack = packed(block, 8 * block <= CACHED)
    around = Shifts(
        np.array(decomposition.shifts(size), np.int64),
        size,
        np.array([8 * block]),
        pack=pack,
        unpack=unpack,
        **more,
    )
    return [diagonal(block), around]


def transpose_of_messages(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """A block a phase, or all at once: the library is taken to go round as well."""
    if options["exchange"] == "pairwise":
        return blocks(problem, layout)
    size, block = layout.ranks, (problem.order // layout.ranks) ** 2
    pack, unpack = packed(block, False)
    around = Shifts(np.array(decomposition.shifts(size), np.int64), size, np.array([8 * block]))
    others = size - 1
    return [
        diagonal(block),
        Work(others * pack),
        Fastest(((around,),), 8 * size * block),
        Work(others * unpack),
    ]


def adding(count: float, itemsize: int) -> Work:
    """Return the addition of so many elements: two are read, one is written where one was."""
    return Work(3.0 * itemsize * count)


def ring(count: int, itemsize: int, ranks: Sequence[int], size: int, segment: int) -> list[Shifts]:
    """Return an allreduce round a ring of consecutive units, each with a vector on each of `ranks`.

    Parts that differ by an element are all taken to be the larger ones.
    """
    part = -(-count // size) * itemsize
    shifts = np.full(size - 1, -1, np.int64)
    more: dict[str, Any] = {"members": len(ranks), "senders": tuple(ranks), "segment": segment}
    sizes = np.full(len(ranks), part, np.int64)
    added = float(adding(part / itemsize, itemsize).bytes)
    return [Shifts(shifts, size, sizes, unpack=added, **more), Shifts(shifts, size, sizes, **more)]


def halving(count: int, itemsize: int, members: int, size: int, segment: int, whole: bool) -> list[Step]:
    """Return an allreduce among units of `members` consecutive ranks, each with vectors of its own.

    By recursive halving and doubling, or of the `whole` vector with each partner in turn.
    """
    folds = [schedules.fold(unit, size) for unit in range(size)]
    steps = [[] if f.index is None else schedules.halvings(f.index, size, count) for f in folds]

    def messages(sent: Iterable[tuple[int, int, slice]], cut: int) -> Exchange:
        rows = [
            (unit * members + mate, to * members + mate, (piece.stop - piece.start) * itemsize)
            for unit, to, part in sent
            for piece in schedules.segments(part, cut or part.stop - part.start or 1)
            for mate in range(members)
        ]
        return exchange(sorted(rows, key=lambda row: row[0]))

    every, cut = slice(0, count), segment // itemsize
    folded = any(f.gives_to is not None for f in folds)
    found: list[Step] = []
    if folded:
        given = ((u, f.gives_to, every) for u, f in enumerate(folds) if f.gives_to is not None)
        found += [messages(given, cut), adding(count, itemsize)]
    for number in range(max(map(len, steps))):
        taken = [(unit, own[number]) for unit, own in enumerate(steps) if own]
        if whole:
            found += [messages(((u, s.partner, every) for u, s in taken), 0), adding(count, itemsize)]
        else:
            kept = count / 2 ** (number + 1)
            found += [messages(((u, s.partner, s.give) for u, s in taken), cut), adding(kept, itemsize)]
    if not whole:
        for number in reversed(range(max(map(len, steps)))):
            taken = [(unit, own[number]) for unit, own in enumerate(steps) if own]
            found += [messages(((u, s.partner, s.keep) for u, s in taken), cut)]
    if folded:
        back = ((u, f.takes_from, every) for u, f in enumerate(folds) if f.takes_from is not None)
        found += [messages(back, cut)]
    return found


def reduced(count: int, itemsize: int, members: int, size: int) -> list[Step]:
    """Return the library's allreduce among units, in one call a rank: the fastest algorithm that we know."""
    if size == 1:
        return [Fastest(((),), count * itemsize)]
    ranks = range(members)
    ways = (
        tuple(ring(count, itemsize, ranks, size, 0)),
        tuple(halving(count, itemsize, members, size, 0, whole=True)),
        tuple(halving(count, itemsize, members, size, 0, whole=False)),
    )
    return [Fastest(ways, count * itemsize)]


def library_allreduce(problem: Any, options: Options, layout: Layout) -> list[Step] | None:
    """Return the library's allreduce of the largest message; nothing is said of other collectives."""
    if problem.collective != "allreduce":
        return None
    case = problem.cases(layout.ranks, 0)[-1]
    return reduced(case.work // case.itemsize, case.itemsize, 1, layout.ranks)


def buckets(problem: Any, options: Options, layout: Layout) -> list[Step] | None:
    """Return a step of training: gradients averaged in buckets, meanwhile or after, if its flop are known.

    Not of an optimizer in shards.
    """
    if not problem.trains.flop(problem) or options["optimizer"] == training.SHARDED:
        return None
    size, item = layout.ranks, problem.format.bytes
    lengths = problem.trains.weights(problem)
    found = training.buckets([4 * length for length in lengths], options["bucket-mb"] * 1e6)
    # A third is the way forwards; backwards, a layer takes what it has weights.
    share = list(accumulate(sum(lengths[place] for place in bucket) / sum(lengths) for bucket in found))
    ready = [1.0 if options["overlap"] == "no" else (1 + 2 * part) / 3 for part in share]
    parts = [tuple(reduced(sum(lengths[p] for p in bucket), item, 1, size)) for bucket in found]
    return [Meanwhile(Work(flop=problem.cost(size).flop / size), tuple(ready), tuple(parts))]
