"""What a rank sends to other groups in a repetition; inside a group nothing but empty messages travels. Pure.

A group of no given size is as large as the nodes let it be: nothing is said of that here.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from prk import decomposition
from prk.reduce import schedules
from prk.runtime import Options, Said, Sent

from .. import _pic
from .. import _sent as common


def of_groups(
    function: Callable[[Any, Options, int, int, int], Said | None],
) -> Callable[[Any, Options, int, int], Said | None]:
    """Return the function of a cell from one that takes the size of the groups besides."""

    @wraps(function)
    def said(problem: Any, options: Options, size: int, rank: int) -> Said | None:
        group = options["group-size"]
        return function(problem, options, size, rank, group) if group else None

    return said


def mates(rank: int, group: int) -> range:
    """Return the ranks of a rank's group."""
    return range(rank // group * group, (rank // group + 1) * group)


stencil = of_groups(common.boxes)
dgemm = of_groups(common.panels)


@of_groups
def sparse(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """A rank gives its slice to the allgather over the groups, if there are several."""
    return Sent(1, problem.slice_bytes(size)) if group < size else Sent()


@of_groups
def random(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """In each batch, a count for every rank, and the values for other groups, if there are several."""
    if group == size:
        return Sent()
    batches = 2 * problem.batches(size)
    # A collective without any values is no message.
    messages, values = problem.leaving(rank, size, mates(rank, group), together=True)
    return Sent(batches + 2 * messages, batches * 4 * size + 2 * 8 * values)


@of_groups
def amr(problem: Any, options: Options, size: int, rank: int, group: int) -> Iterator[Sent]:
    """Points that ranks of other groups need."""
    return common.grids_in_boxes(problem, options, size, rank, mates(rank, group))


@of_groups
def pic(problem: Any, options: Options, size: int, rank: int, group: int) -> Iterator[Sent] | None:
    """Lengths, and what is so long, to neighbours in other groups."""
    return _pic.in_messages(problem, options, size, rank, mates(rank, group))


@of_groups
def synch_p2p(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """The last rank of a group sends its column, unless there is one group: then loads carry all."""
    last = (rank + 1) % group == 0
    return common.pipeline(problem, options, size, rank) if last and group < size else Sent()


@of_groups
def transpose(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """The communicators of a group divide the rows of its block for each other group."""
    count, side = options["communicators"], group * (problem.order // size)
    communicators = communicating(group, count)
    if rank % group not in communicators:
        return Sent()
    start, stop = decomposition.block(side, count, communicators.index(rank % group))
    others = size // group - 1
    return Sent(others, 8 * others * side * (stop - start))


@of_groups
def allreduce(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """A rank gives its part of the elements to the allreduce over the groups, if there are several."""
    part = slice(*decomposition.block(problem.work // problem.itemsize, group, rank % group))
    return common.parts(problem, [part] if group < size else [])


@of_groups
def synch_global(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """The first rank of a group gives its digits to a collective of the groups, if there are several."""
    return Sent(1, group * (problem.n // size)) if group < size and rank % group == 0 else Sent()


@of_groups
def reduce(problem: Any, options: Options, size: int, rank: int, group: int) -> Sent:
    """A rank gives its share of each segment to a reduction over the groups, if there are several."""
    if group == size:
        return Sent()
    lengths = [s.stop - s.start for s in schedules.shares(problem.n, group, rank % group) if s.stop > s.start]
    return Sent(len(lengths), 8 * sum(lengths))


def communicating(group: int, count: int) -> list[int]:
    """Return the ranks of a group that exchange messages, spread over it and so over a node's sockets."""
    return [part * group // count for part in range(count)]
