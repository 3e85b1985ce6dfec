"""The scheduler: what is done to a task's data before they travel, by what the tasks before took.

Every task has a type, a vector of what it took by quality. The mode of the tasks in the scheduler's window is
the sum of their types. An optimisation has an efficiency domain: by the mode, and by whether it is on, it
pays or not. The rule is that of ASAFESSS, r = computation / communication, on below alpha, off above beta.
While an optimisation is off, this r bounds what it can reach: if nothing were left of communication, the
tasks would still take r times as long. While it is on, r is what was bounded: how long the window took over
how long it would have taken without. Of each quality, the longest tasks of the window count as the next
longest does, since a preempted core or a late message tells nothing of what an optimisation is worth.

While it is off, r does not see what it could do, as a dense tile and a sparse one take the same time. So the
scheduler can only try, and how often it tries again after it did so in vain is its way to probe. Single tasks
may lose a small part of the time, and at once what its best window gained before it was turned off.

All of it is compiled: between two tasks there are some tens of nanoseconds. A set of optimisations is a word
with a bit for each one, in the order in which they are applied.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numba import njit

# Ways to probe, as `problem.PROBES` names them.
NEVER, EVERY, BACKOFF, SAMPLED = range(4)
# Qualities of every task, in seconds: of communication, the part in which a worker takes part, too, and of
# computation a worker's share. Each optimisation adds two: its own seconds, and the bytes that it removed,
# as parts of those of a whole tile.
COMMUNICATION, RECEIVING, COMPUTATION, COMMON = range(4)
# Windows that are let by after a failure, doubling up to so many.
LONGEST = 64
# Part of the time that may be lost to single tasks which only tell whether to switch.
SHARE = 0.01
# One task in so many of a window may have been held up; how many times as long as others a single one counts.
HELD_UP, LONG = 8, 2
# Tasks without any optimisation that others are compared with, by their medians.
PLAIN = 5
NOTHING = -1
# The scheduler's counts, and each optimisation's own.
ON, FILLED, SEEN, COMPARED = range(4)
FAILURES, WAITS, LASTED = range(3)
# The scheduler's seconds: since a task without any optimisation, and what such a one takes longer.
SINCE, LONGER = range(2)
# Each optimisation's: what its best window gained; since then, what trying it lost beyond that, and all.
GAIN, LOST, OFF = range(3)

T = TypeVar("T")


class Scheduler(NamedTuple):
    """What the scheduler knows; passes into compiled code as it is.

    decides: whether it does, or follows the plan, which optimisations each task is to have.
    types: of the window's tasks, of which there are FILLED, by quality.
    workers: how many compute while the owner transfers; 0: it does both, one after the other.
    """

    decides: np.ndarray
    plan: np.ndarray
    probe: int
    window: int
    workers: int
    alpha: np.ndarray
    beta: np.ndarray
    counts: np.ndarray
    own: np.ndarray
    seconds: np.ndarray
    tried: np.ndarray
    types: np.ndarray
    plain: np.ndarray


def scheduler(
    thresholds: Sequence[tuple[float, float]], probe: int, window: int, workers: int, tasks: int = 0
) -> Scheduler:
    """Return a scheduler of optimisations with these thresholds, alpha and beta of each, all off.

    tasks: as many does the plan have, which is not followed unless `decides` becomes False.
    """
    count = len(thresholds)
    alpha, beta = np.array(thresholds, float).reshape(count, 2).T.copy()
    return Scheduler(
        np.ones(1, np.bool_), np.zeros(tasks, np.int64), probe, window, workers, alpha, beta,
        np.zeros(4, np.int64), np.zeros((count, 3), np.int64), np.zeros(2), np.zeros((count, 3)),
        np.zeros((qualities(count), window)), np.zeros((PLAIN, COMMON)),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def qualities(count):
    """Return how many qualities tasks have with so many optimisations."""
    return COMMON + 2 * count


@njit(cache=True, nogil=True)
def work(one):
    """Return the quality that counts an optimisation's own seconds."""
    return COMMON + 2 * one


@njit(cache=True, nogil=True)
def removed(one):
    """Return the quality that counts what an optimisation spared."""
    return COMMON + 2 * one + 1


@njit(cache=True, nogil=True)
def quotient(a, b):
    """Return a / b, also where b is nothing."""
    if b:
        return a / b
    return np.inf if a else 1.0


@njit(cache=True, nogil=True)
def mode_of(types):
    """Return the mode of a window of types, (qualities, tasks), in which tasks may have been held up.

    Of the seconds of a quality, the longest count as the next longest; bytes are what they are.
    """
    found, longest = np.empty(len(types)), types.shape[1] // HELD_UP
    for quality in range(found.size):
        took = types[quality]
        if quality < removed(0) or (quality - removed(0)) % 2:
            took = np.minimum(took, np.sort(took)[-1 - longest])
        found[quality] = took.sum()
    return found


@njit(cache=True, nogil=True)
def ratio(mode):
    """Return r, computation over communication."""
    return quotient(mode[COMPUTATION], mode[COMMUNICATION])


@njit(cache=True, nogil=True)
def elapsed(communication, receiving, computation, own, workers):
    """Return how long tasks take that take this of each: the owner and a worker at a time, or in turn."""
    if not workers:
        return communication + computation + own
    # A worker takes part in each of its transfers.
    return max(communication + own, receiving / workers + computation)


@njit(cache=True, nogil=True)
def total(mode, first):
    """Return the sum over all optimisations of what each has, `first` of the first one."""
    found = 0.0
    for quality in range(first, mode.size, 2):
        found += mode[quality]
    return found


@njit(cache=True, nogil=True)
def duration(mode, workers):
    """Return how long the tasks of a mode take."""
    return elapsed(mode[COMMUNICATION], mode[RECEIVING], mode[COMPUTATION], total(mode, work(0)), workers)


@njit(cache=True, nogil=True)
def without(mode, tasks, usual, one, workers):
    """Return the seconds that tasks would have taken without an optimisation.

    usual: the qualities that all have, of a task without any optimisation.
    """
    gone = mode[removed(one)]
    # Of the computation that was spared, the part that was removed by this one.
    spared = max(tasks * usual[COMPUTATION] - mode[COMPUTATION], 0.0)
    spared *= gone / total(mode, removed(0)) if gone else 0.0
    return elapsed(
        mode[COMMUNICATION] + gone * usual[COMMUNICATION],
        mode[RECEIVING] + gone * usual[RECEIVING],
        mode[COMPUTATION] + spared,
        total(mode, work(0)) - mode[work(one)],
        workers,
    )


@njit(cache=True, nogil=True)
def relative(mode, tasks, usual, one, workers):
    """Return the seconds of tasks over those that they would have taken without an optimisation."""
    return quotient(duration(mode, workers), without(mode, tasks, usual, one, workers))


@njit(cache=True, nogil=True)
def efficient(mode, tasks, usual, one, on, alpha, beta, workers):
    """Tell whether a mode is in an optimisation's efficiency domain, which depends on its present state."""
    return relative(mode, tasks, usual, one, workers) <= beta if on else ratio(mode) < alpha


@njit(cache=True, nogil=True)
def affordable(lost, seconds):
    """Tell whether it may be tried again what has lost so much of these seconds."""
    return lost <= SHARE * seconds


@njit(cache=True, nogil=True)
def has(chosen, one):
    """Tell whether an optimisation is in a set."""
    return chosen >> one & 1


@njit(cache=True, nogil=True)
def typical(s):
    """Return the medians of the latest tasks without any optimisation."""
    found, held = np.zeros(COMMON), min(s.counts[SEEN], PLAIN)
    for quality in range(COMMON if held else 0):
        found[quality] = np.median(s.plain[:held, quality])
    return found


@njit(cache=True, nogil=True)
def choose(s, task):
    """Return which optimisations the next task is to have."""
    if not s.decides[0]:
        return s.plan[task]
    on = s.counts[ON]
    # Once in a window at most, one without: what others are compared with must not get old.
    if on and not s.counts[COMPARED] and affordable(s.seconds[LONGER], s.seconds[SINCE]):
        s.counts[COMPARED], s.seconds[SINCE] = 1, 0.0
        return 0
    if s.probe != SAMPLED:
        return on
    chosen = on
    for one in range(s.alpha.size):
        if s.own[one, FAILURES] and not has(on, one) and affordable(s.tried[one, LOST], s.tried[one, OFF]):
            chosen |= 1 << one
    return chosen


@njit(cache=True, nogil=True)
def note(s, found, had):
    """Take note of a task that is over, its type and what it had; return what that switched, or NOTHING."""
    if not s.decides[0]:
        return NOTHING
    on, seconds = s.counts[ON], duration(found, s.workers)
    s.seconds[SINCE] += seconds
    for one in range(s.alpha.size):
        s.tried[one, OFF] += seconds
    if not had:
        s.plain[s.counts[SEEN] % PLAIN] = found[:COMMON]
        s.counts[SEEN] += 1
        s.seconds[SINCE] = 0.0
    if had != on:
        return sampled(s, found, had & ~on)
    s.types[:, s.counts[FILLED]] = found
    s.counts[FILLED] += 1
    if s.counts[FILLED] < s.window:
        return NOTHING
    switched = decide(s)
    begin_window(s)
    return switched


@njit(cache=True, nogil=True)
def begin_window(s):
    """Forget the tasks of the window."""
    s.counts[FILLED] = s.counts[COMPARED] = 0


@njit(cache=True, nogil=True)
def sampled(s, found, had):
    """Judge what a task had that is off; return what that switched, or NOTHING."""
    usual = typical(s)
    for one in range(s.alpha.size):
        if not has(had, one) or not s.counts[SEEN]:
            continue
        # Chosen before the last switch, if there are no samples.
        if (
            s.probe == SAMPLED
            and relative(found, 1, usual, one, s.workers) < 1
            and ratio(usual) < s.alpha[one]
        ):
            turn_on(s, one)
            begin_window(s)
            return one
        # One that was held up must not put off the others.
        s.tried[one, LOST] += min(found[work(one)], LONG * duration(usual, s.workers))
    return NOTHING


@njit(cache=True, nogil=True)
def decide(s):
    """Return what follows from a full window: which optimisation was switched, at most one, or NOTHING."""
    switched, usual, mode = NOTHING, typical(s), mode_of(s.types)
    # What a task without would take longer.
    s.seconds[LONGER] = max(duration(usual, s.workers) - duration(mode, s.workers) / s.window, 0.0)
    for one in range(s.alpha.size):
        on = has(s.counts[ON], one)
        s.own[one, LASTED] += 1
        if not on and not due(s, one):
            continue
        pays = efficient(mode, s.window, usual, one, on, s.alpha[one], s.beta[one], s.workers)
        gained = without(mode, s.window, usual, one, s.workers) - duration(mode, s.workers)
        if on and pays:
            s.own[one, FAILURES] = 0
            s.tried[one, GAIN] = max(s.tried[one, GAIN], gained)
        elif on != pays and switched == NOTHING:
            switched = one
            if pays:
                turn_on(s, one)
            else:
                turn_off(s, one, -gained)
    return switched


@njit(cache=True, nogil=True)
def turn_on(s, one):
    """Turn an optimisation on."""
    s.counts[ON] |= 1 << one
    s.own[one, LASTED] = 0
    # Before a window is over nobody knows what a task without would take longer.
    s.seconds[LONGER] = np.inf


@njit(cache=True, nogil=True)
def turn_off(s, one, lost):
    """Turn an optimisation off, whose window lost so much; what did not even last one has failed again."""
    s.counts[ON] &= ~(1 << one)
    again = s.own[one, LASTED] <= 1
    s.own[one, FAILURES] = s.own[one, FAILURES] + 1 if again else 1
    s.own[one, WAITS] = min(1 << min(s.own[one, FAILURES] - 1, 32), LONGEST)
    if again and s.own[one, FAILURES] > 1:
        s.tried[one, LOST] += max(lost, 0.0)
    else:
        # As much as it gained may be lost at once: where phases change, it pays to look.
        s.tried[one] = 0.0, -s.tried[one, GAIN], 0.0


@njit(cache=True, nogil=True)
def due(s, one):
    """Tell whether what was turned off may be tried in the next window, by the way to probe."""
    if not s.own[one, FAILURES] or s.probe == EVERY:
        return True
    if s.probe == BACKOFF:
        s.own[one, WAITS] -= 1
        return s.own[one, WAITS] < 0
    return False


def time_in_modes(
    switches: Iterable[tuple[float, tuple[T, ...]]], begin: float, end: float
) -> dict[tuple[T, ...], float]:
    """Return the seconds from `begin` to `end` for which each set of optimisations was on.

    switches: when which set began, in their order; before the first of them nothing is on.
    """
    spent: dict[tuple[T, ...], float] = {}
    since, on = begin, tuple[T, ...]()
    for at, after in (*switches, (end, ())):
        at = min(max(at, begin), end)
        spent[on] = spent.get(on, 0.0) + at - since
        since, on = at, after
    return {names: seconds for names, seconds in spent.items() if seconds > 0}
