"""What the owner of the tiles does with one before and after its transfer, which a runtime has between them.

All of it is compiled, and takes the same time whether the scheduler decides or follows a plan.
"""

import time
from typing import NamedTuple

import numpy as np
from numba import njit, types

from prk.adaptive import loops
from prk.adaptive.optimisations import BY_NAME
from prk.adaptive.problem import PROBES, Adaptive
from prk.adaptive.scheduler import (
    COMMUNICATION,
    COMPUTATION,
    NOTHING,
    ON,
    RECEIVING,
    Scheduler,
    choose,
    has,
    note,
    qualities,
    removed,
    scheduler,
    work,
)

CLOCK = time.CLOCK_MONOTONIC
clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))
sched_yield = types.ExternalFunction("sched_yield", types.int32())
# The counts: bytes and tasks so far, and switches since they were last looked at.
SENT, TASKS, SWITCHED = range(3)
# Of a switch: when it was, after how many tasks, which optimisation, and which were on then.
AT, AFTER, WHICH, THEN = range(4)


class Owner(NamedTuple):
    """The tiles, and what is done to them; passes into compiled code as it is.

    order: of the tiles in a repetition. link: seconds a byte of an emulated one, or 0.
    rooms: of each optimisation, for what it makes of a tile.
    found, had, since: of each worker's task, its type so far, its optimisations, and when it had its data
    (0: it has no task). The first is the owner's own.
    """

    scheduler: Scheduler
    tiles: np.ndarray
    order: np.ndarray
    codes: np.ndarray
    threshold: int
    early: bool
    link: float
    rooms: np.ndarray
    found: np.ndarray
    had: np.ndarray
    since: np.ndarray
    counts: np.ndarray
    switches: np.ndarray
    clock: np.ndarray


def owner(problem: Adaptive, tiles: np.ndarray, workers: int) -> Owner:
    """Return the owner of tiles, which lie one after the other."""
    count, number = len(problem.names), len(tiles)
    rules = scheduler(
        [(problem.alpha, problem.beta)] * count, PROBES.index(problem.probe), problem.window, workers, number
    )
    return Owner(
        rules, tiles.view(np.uint8), problem.matrix.order_of_tasks(problem.phases),
        np.array([BY_NAME[name].code for name in problem.names]), problem.threshold, problem.scan == "early",
        1e-9 / problem.link if problem.link else 0.0, np.zeros((count, problem.tile_bytes), np.uint8),
        np.zeros((workers + 1, qualities(count))), np.zeros(workers + 1, np.int64), np.zeros(workers + 1),
        np.zeros(3, np.int64), np.zeros((number + workers, 4)), np.zeros(2, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def now(clock):
    """Return the seconds of time.perf_counter; `clock` is room for them, two int64."""
    clock_gettime(CLOCK, clock.ctypes.data)
    return clock[0] + 1e-9 * clock[1]


@njit(cache=True, nogil=True)
def prepare(owner, number):
    """Make a tile smaller, as far as the scheduler wants; return the parcel, its width, and what was done."""
    chosen, parcel, width = choose(owner.scheduler, number), owner.tiles[number], loops.WIDTH
    # The owner's own place, until it is known who gets it.
    found, whole = owner.found[0], parcel.size
    found[:] = 0.0
    for one in range(owner.codes.size):
        if has(chosen, one):
            begin, before, room = now(owner.clock), parcel.size, owner.rooms[one]
            size, wide = loops.apply(owner.codes[one], parcel, width, room, owner.threshold, owner.early)
            if size < before:
                parcel, width = room[:size], wide
            found[removed(one)] = (before - size) / whole
            found[work(one)] = now(owner.clock) - begin
    return parcel, width, chosen


@njit(cache=True, nogil=True)
def sent(owner, size, chosen, to, begin, seconds):
    """Take note of a transfer of so many bytes since `begin` that has just ended, and have it pass the link.

    seconds: which the worker's multiplication before took.
    """
    arrived, found, waited = now(owner.clock), owner.found[0].copy(), 0.0
    if owner.since[to]:
        # It kept this transfer waiting.
        waited = min(max(owner.since[to] + seconds - begin, 0.0), arrived - begin)
        done(owner, to, seconds)
    passed = pace(owner, begin + waited + size * owner.link) if owner.link else arrived
    found[COMMUNICATION], found[RECEIVING] = passed - begin - waited, arrived - begin - waited
    owner.found[to], owner.had[to], owner.since[to] = found, chosen, arrived
    owner.counts[SENT] += size
    owner.counts[TASKS] += 1


@njit(cache=True, nogil=True)
def pace(owner, until):
    """Wait until the emulated link is free again; return the time."""
    at = now(owner.clock)
    while at < until:
        # Other threads, which may carry messages, may run meanwhile.
        sched_yield()
        at = now(owner.clock)
    return at


@njit(cache=True, nogil=True)
def done(owner, to, seconds):
    """Tell the scheduler what a worker's task has taken, and keep what it decides."""
    rules, found = owner.scheduler, owner.found[to]
    found[COMPUTATION] = seconds / max(rules.workers, 1)
    owner.since[to] = 0.0
    switched = note(rules, found, owner.had[to])
    if switched != NOTHING:
        row = owner.switches[owner.counts[SWITCHED]]
        row[AT], row[AFTER] = now(owner.clock), owner.counts[TASKS]
        row[WHICH], row[THEN] = switched, rules.counts[ON]
        owner.counts[SWITCHED] += 1


@njit(cache=True, nogil=True)
def multiply(clock, number, parcel, width, vector, result, tile):
    """Add a tile's product to the result; return the seconds that took."""
    begin = now(clock)
    loops.add(number, parcel, width, vector, result, tile)
    return now(clock) - begin
