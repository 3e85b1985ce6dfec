"""The scheduler: what is done to a task's data before they travel, by what the tasks before took. Pure.

Every task has a type, a vector of what it took by quality. The mode of the tasks in the scheduler's window is
the sum of their types. An optimisation has an efficiency domain: by the mode, and by whether it is on, it
pays or not. The rule is that of ASAFESSS, r = computation / communication, on below alpha, off above beta.
While an optimisation is off, this r bounds what it can reach: if nothing were left of communication, the
tasks would still take r times as long. While it is on, r is what was bounded: how long the window took over
how long it would have taken without.

While it is off, r does not see what it could do, as a dense tile and a sparse one take the same time. So the
scheduler can only try, and how often it tries again after it did so in vain is its way to probe.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

# Qualities that each task has; each optimisation adds two of its own.
COMMUNICATION, COMPUTATION = "communication", "computation"
PROBES = ("never", "every", "backoff", "sampled")
# Windows that are let by after a failure, doubling up to so many.
LONGEST = 64
# Of how many tasks one is tried while an optimisation is off, and after how many it is judged.
RARE, ENOUGH = 8, 4

T = TypeVar("T")
# What a task took: seconds by quality; of what an optimisation removed, parts of a whole tile's bytes.
Type = Mapping[str, float]


def work(name: str) -> str:
    """Return the quality that counts an optimisation's own seconds."""
    return f"{name}: work"


def removed(name: str) -> str:
    """Return the quality that counts what an optimisation spared: bytes, as parts of those of a tile."""
    return f"{name}: removed"


class Mode:
    """The sums of the types of some tasks, and what there is to compare them with.

    plain: types of tasks whose data nothing was removed of; of them the medians count, which a disturbed one
    leaves. workers: how many compute while the owner transfers; 0: it does both, one after the other. Seconds
    of computation are those of a worker's share.
    """

    def __init__(self, types: Sequence[Type], plain: Iterable[Type], workers: int):
        self.types, self.plain, self.workers = types, plain, workers

    def __getitem__(self, quality: str) -> float:
        return sum([one.get(quality, 0.0) for one in self.types])

    @property
    def ratio(self) -> float:
        """Return r, computation over communication."""
        return quotient(self[COMPUTATION], self[COMMUNICATION])

    def seconds(self, communication: float, computation: float, own: float) -> float:
        """Return how long tasks take that take this of each: the owner and a worker at a time, or in turn."""
        if not self.workers:
            return communication + computation + own
        # A worker takes part in each of its transfers.
        return max(communication + own, communication / self.workers + computation)

    def relative(self, name: str) -> float:
        """Return the seconds of these tasks over those that they would have taken without an optimisation."""
        qualities = {quality for one in self.types for quality in one}
        own = sum(self[quality] for quality in qualities if quality.endswith(work("")))
        gone = sum(self[quality] for quality in qualities if quality.endswith(removed("")))
        communication, computation = self[COMMUNICATION], self[COMPUTATION]
        usual, slow = (median(one[q] for one in self.plain) for q in (COMMUNICATION, COMPUTATION))
        # Of the computation that was spared, the part that was removed by this one.
        spared = max(len(self.types) * slow - computation, 0.0) * quotient(self[removed(name)], gone)
        with_it = self.seconds(communication, computation, own)
        without = self.seconds(
            communication + self[removed(name)] * usual, computation + spared, own - self[work(name)]
        )
        return quotient(with_it, without)


def quotient(a: float, b: float) -> float:
    """Return a / b, also where b is nothing."""
    return a / b if b else np.inf if a else 1.0


class Optimisation(ABC):
    """Something that makes a task's data smaller before they travel, and when that pays."""

    name: ClassVar[str]

    def __init__(self, alpha: float, beta: float):
        self.alpha, self.beta = alpha, beta

    @abstractmethod
    def apply(self, parcel: np.ndarray) -> np.ndarray:
        """Return the data made smaller, in an array of its own, or as they are."""

    @classmethod
    @abstractmethod
    def left(cls, problem: Any, sent: np.ndarray, nonzeros: np.ndarray) -> np.ndarray:
        """Return the bytes that are left of those of tiles with so many non-zeros."""

    def efficient(self, mode: Mode, on: bool) -> bool:
        """Tell whether a mode is in the efficiency domain, which depends on the present state."""
        return mode.relative(self.name) <= self.beta if on else mode.ratio < self.alpha


# Optimisations in their order.
Chosen = tuple[Optimisation, ...]


@dataclass
class State:
    """One optimisation's own state."""

    on: bool = False
    # How often in a row it was turned off at once, and how many windows must pass before it is on again.
    failures: int = 0
    waits: int = 0
    # Windows since it was turned on.
    lasted: int = 0
    samples: deque[Type] = field(default_factory=lambda: deque(maxlen=ENOUGH))


class Switch(NamedTuple):
    """Which optimisation was turned on or off, and the names of all that are on now."""

    name: str
    on: tuple[str, ...]


class Fixed:
    """Decides nothing: which optimisations are tried on each task is known before."""

    def __init__(self, plan: Sequence[Chosen]):
        self.plan = plan

    def chosen(self, task: int) -> Chosen:
        return self.plan[task]

    def done(self, found: Type, had: Chosen) -> Switch | None:
        return None


class Scheduler:
    """Decides at the end of each window of tasks; at most one optimisation is switched at a time."""

    def __init__(self, optimisations: Sequence[Optimisation], probe: str, window: int, workers: int):
        self.optimisations, self.probe, self.workers = tuple(optimisations), probe, workers
        self.states = {o.name: State() for o in optimisations}
        self.size = window
        self.window: list[Type] = []
        self.plain: deque[Type] = deque(maxlen=window)
        self.on: Chosen = ()
        self.count = 0

    def chosen(self, task: int) -> Chosen:
        """Return which optimisations the next task is to have, in their order."""
        if self.probe != "sampled":
            return self.on
        self.count += 1
        failed = [o for o in self.optimisations if o not in self.on and self.states[o.name].failures]
        if not failed or self.count % RARE:
            return self.on
        return tuple(o for o in self.optimisations if o in self.on or o in failed)

    def done(self, found: Type, had: Chosen) -> Switch | None:
        """Take note of a task that is over, and had these; return what that switched."""
        if had is not self.on:
            # A sample, or chosen before the last switch.
            for optimisation in had:
                if optimisation not in self.on:
                    self.states[optimisation.name].samples.append(found)
            return None
        self.window.append(found)
        if len(self.window) < self.size:
            return None
        types, self.window = self.window, []
        gone = [removed(o.name) for o in self.on]
        self.plain += [one for one in types if not any(one[q] for q in gone)] if gone else types
        return self.decide(Mode(types, self.plain, self.workers))

    def decide(self, mode: Mode) -> Switch | None:
        """Return what follows from a window's mode, if anything does."""
        switched = ""
        for o in self.optimisations:
            state = self.states[o.name]
            state.lasted += 1
            if not state.on and not self.due(o, state):
                continue
            efficient = o.efficient(mode, state.on)
            if state.on and efficient:
                state.failures = 0
            elif state.on != efficient and not switched:
                switched = o.name
                self.turn_on(state) if efficient else self.turn_off(state)
        if not switched:
            return None
        self.on = tuple(o for o in self.optimisations if self.states[o.name].on)
        return Switch(switched, tuple(o.name for o in self.on))

    def turn_on(self, state: State) -> None:
        state.on, state.lasted = True, 0

    def turn_off(self, state: State) -> None:
        state.on = False
        state.failures = state.failures + 1 if state.lasted <= 1 else 1
        state.waits = min(1 << (state.failures - 1), LONGEST)
        state.samples.clear()

    def due(self, optimisation: Optimisation, state: State) -> bool:
        """Tell whether what was turned off may be tried again, by the way to probe."""
        if not state.failures or self.probe == "every":
            return True
        if self.probe == "backoff":
            state.waits -= 1
            return state.waits < 0
        if self.probe == "sampled" and len(state.samples) == ENOUGH:
            return optimisation.efficient(Mode(list(state.samples), self.plain, self.workers), True)
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
