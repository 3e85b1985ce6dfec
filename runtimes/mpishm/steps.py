"""What ranks do in a repetition: meetings inside a group, messages between groups. Pure, without MPI."""

from typing import Any

import numpy as np

from prk import decomposition
from prk.runtime import Options
from prk.schedule import BARRIER, FLAG, SEND, Layout, Meeting, Shifts, Step

from .. import _steps as common
from .sent import communicating

WAYS = {"messages": SEND, "flags": FLAG, "barrier": BARRIER}


def group_of(options: Options, layout: Layout) -> int:
    """Return the ranks of a group: as many as a node has, where that is not said."""
    return int(options["group-size"] or layout.each)


def stencil(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Exchange boxes between groups, sweep between two meetings with those whose points are read."""
    group = group_of(options, layout)
    divided = common.super_tiles(problem, layout.ranks, group)
    way = WAYS[options["local-sync"]]
    meet: Step = Meeting(group, way)
    if way != BARRIER:
        pairs = ((rank, other, 0) for rank in range(layout.ranks) for other in divided.partners(rank))
        meet = common.exchange(pairs, way)
    sweep = common.sweep(problem, [decomposition.area(tile) for tile in divided.tiles])
    return [common.boxes(problem, divided, SEND), meet, sweep, meet]


def synch_p2p(problem: Any, options: Options, layout: Layout) -> list[Any]:
    """Tell the right neighbour of a line, by a message with its value at the end of a group only."""
    size, group = layout.ranks, group_of(options, layout)
    local = WAYS[options["local-sync"]]
    to = common.receivers(size)
    across = np.array([other >= 0 and other // group != rank // group for rank, other in enumerate(to)])
    return common.line(problem, layout, np.where(across, SEND, local).tolist(), across)


def transpose(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Transpose a group's own blocks, then go round the groups with the blocks of all its ranks."""
    size, group, count = layout.ranks, group_of(options, layout), options["communicators"]
    width, units = problem.order // size, size // group
    side = group * width
    rows = [stop - start for start, stop in (decomposition.block(side, count, c) for c in range(count))]
    pack, unpack = common.packed(width * side, False)
    around = Shifts(
        np.array(decomposition.shifts(units), np.int64),
        units,
        8 * side * np.array(rows, np.int64),
        members=group,
        senders=tuple(communicating(group, count)),
        pack=pack,
        unpack=unpack,
        meeting=WAYS[options["local-sync"]],
    )
    return [common.diagonal(group * width**2), around]


def allreduce(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Sum a part of the group's vectors, reduce it over the groups, store it in all vectors of the group."""
    size, group = layout.ranks, group_of(options, layout)
    case = problem.cases(size, 0)[-1]
    part = -(-(case.work // case.itemsize) // group)
    summed = common.adding(part * (group - 1), case.itemsize)
    stored = common.Work(2.0 * case.itemsize * part * (group - 1))
    meet = Meeting(group, FLAG)
    across = common.reduced(part, case.itemsize, group, size // group) if group < size else []
    return [meet, summed, *across, stored, meet]
