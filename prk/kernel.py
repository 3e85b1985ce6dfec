"""The shape of every kernel on every runtime: one member's share of the data, and how it repeats."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from prk.check import Fields
from prk.problem import Problem
from prk.team import Team

P = TypeVar("P", bound=Problem)


class Event(NamedTuple):
    """Something that happened at `seconds` of the clock, such as the end of an epoch, with a plain value."""

    seconds: float
    name: str
    value: Any


class Period(NamedTuple):
    """What one worker did in the repetitions up to `repetition` that the last period did not have.

    `work` is how much it had to do, in a unit of the kernel's, and `seconds` how long it computed for that.
    At the period's beginning or end, so that the load is better balanced afterwards, it has spent the seconds
    `balancing`. By that, so much of the work `moved` to other workers, while so many borders were `held`:
    they did not move as far as they should have, because of what a part must have at least.
    """

    repetition: int
    work: float
    seconds: float
    balancing: float = 0.0
    moved: float = 0.0
    held: int = 0
    # None: the member itself. Members that move name the process that they are on.
    worker: int | None = None


class Kernel(Generic[P]):
    """One member's share of a kernel. A runtime's subclass adds only communication.

    The core calls, on every member in the same order: the constructor, `repeat(1)` as the warm-up, a barrier,
    `repeat` until all repetitions are done, which is what the clock measures, `fields`, `probe`, `findings`,
    `close`.

    Python's garbage collector is off while the clock runs. A kernel that leaves cycles of large objects
    behind in a repetition collects them itself, and pays for it.
    """

    # Seconds of each repetition so far, the warm-up's first, where a kernel does something between them that
    # is no part of them. One a repetition, none negative, and together no longer than the clock ran.
    laps: Sequence[float] = ()
    # How the load lay, where a kernel looks at that: periods that end with the run.
    periods: Sequence[Period] = ()

    def __init__(self, problem: P, comm: Any, options: Mapping[str, Any]):
        self.problem, self.options = problem, options
        # A runtime knows more of its team than the core does: each kernel file uses its own one's names.
        self.comm = comm
        self.events: list[Event] = []
        self.setup()

    def setup(self) -> None:
        """Allocate the data, give it its first values, prepare communication."""
        raise NotImplementedError

    def step(self) -> None:
        """Run one repetition."""
        raise NotImplementedError

    def repeat(self, count: int) -> None:
        """Run `count` repetitions with no synchronisation that the programming model does not need.

        When it returns, this member's fields are final.
        """
        for _ in range(count):
            self.step()

    def finished(self) -> bool:
        """Tell whether the run is over, equal on all members; asked after each repetition if the problem is
        open-ended."""
        return False

    def note(self, name: str, value: Any = None) -> None:
        """Record an event, now."""
        self.events.append(Event(time.perf_counter(), name, value))

    def fields(self) -> Fields:
        """Return this member's fields by name, each with its place in the whole."""
        raise NotImplementedError

    def probe(self) -> None:
        """Measure, after the clock and the fields, what the timed repetitions cannot tell. Collective."""

    def findings(self) -> dict[str, Any]:
        """Return what this member found out besides the fields, as plain values for the problem's table.

        It does no work and no communication: whatever has to be measured, `probe` has measured.
        """
        return {}

    def save(self) -> dict[str, np.ndarray]:
        """Return a copy of this member's state between two repetitions, from which `restore` goes on."""
        return {name: field.values.copy() for name, field in self.fields().items()}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        """Take up the state that `save` returned after `repetition` repetitions. Collective."""
        for name, field in self.fields().items():
            field.values[...] = state[name]

    def recover(self, comm: Team, error: Exception) -> "tuple[Kernel[P], int]":
        """Return the kernel to go on with after a repetition failed, and how many repetitions it has done.

        `comm` is the team that failed. A kernel that cannot go on raises the error again.
        """
        raise error

    def close(self) -> None:
        """Release what the garbage collector cannot, such as windows and requests."""
