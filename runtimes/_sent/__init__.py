"""What members send in a repetition, for the runtimes that send the same. Pure, built on the schedules.

Functions of (problem, options, size, rank), as cells name them.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from prk.allreduce import schedules
from prk.decomposition import SuperTiles
from prk.runtime import Options, Sent


def nothing(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Every member works on what it has."""
    return Sent()


def halos(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """An edge goes to each neighbour of a tile; to the west and east it is as long as the framed tile."""
    tile, r = problem.tile(rank, size), problem.radius
    height, width = tile.shape
    edges = [r * width for side in (tile.north, tile.south) if side is not None]
    edges += [r * (height + 2 * r) for side in (tile.west, tile.east) if side is not None]
    return Sent(len(edges), sum(edges) * np.dtype(problem.dtype).itemsize)


def boxes(problem: Any, options: Options, size: int, rank: int, group: int = 1) -> Sent:
    """Each rank of another group that needs points of this rank's tile is sent just them, box by box."""
    n, compact = problem.n, problem.pattern == "compact"
    sent = [box for _, box in SuperTiles(n, n, size, group, problem.radius, compact).outgoing(rank)]
    points = sum((bottom - top) * (right - left) for (top, bottom), (left, right) in sent)
    return Sent(len(sent), points * np.dtype(problem.dtype).itemsize)


def pipeline(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A value a line goes to the right, `group` of them in a message, and the corner back to the start."""
    if rank == size - 1:
        return Sent(1, 8) if size > 1 else Sent()
    return Sent(-(-(problem.n - 1) // problem.group), 8 * (problem.n - 1))


def pipeline_of_any(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """As `pipeline`, but a member that is alone sends the corner to itself."""
    return Sent(1, 8) if size == 1 else pipeline(problem, options, size, rank)


def blocks(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A block goes to every other member."""
    return Sent(size - 1, 8 * (size - 1) * (problem.order // size) ** 2)


def collective(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A member gives the library's collective the larger buffer, or its block where all are gathered."""
    given = problem.work // (size if problem.collective == "allgather" else 1)
    return Sent(problem.burst, problem.burst * given)


def parts(problem: Any, sent: Iterable[slice], segment: int | None = None) -> Sent:
    """Return what parts of the elements are that travel in segments, in each allreduce of a burst."""
    lengths = [part.stop - part.start for part in sent]
    messages = sum(-(-length // (segment or length)) for length in lengths if length)
    return Sent(problem.burst * messages, problem.burst * sum(lengths) * problem.itemsize)


def halving(problem: Any, size: int, rank: int) -> list[slice]:
    """Return the parts that a member sends in an allreduce by recursive halving and doubling."""
    count = problem.work // problem.itemsize
    fold = schedules.fold(rank, size)
    if fold.index is None:
        return [slice(0, count)]
    steps = schedules.halvings(fold.index, size, count)
    back = [slice(0, count)] if fold.takes_from is not None else []
    return [*(step.give for step in steps), *(step.keep for step in steps), *back]
