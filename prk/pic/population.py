"""All particles that a run ever has: where and when each starts, and where its life ends. Pure."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from prk import decomposition
from prk.pic import placement

# Particles that are looked at together.
CHUNK = 1 << 18


class Lives(NamedTuple):
    """Where particles start, before which repetition, and how many repetitions each goes through."""

    x: np.ndarray
    y: np.ndarray
    born: np.ndarray
    steps: np.ndarray


class Population:
    """The particles of a problem, numbered from 0 as they start: cell by cell, then event by event."""

    def __init__(self, problem: Any):
        n = problem.n
        self.problem = problem
        self.events = problem.happening()
        self.initial = _initial(problem, _shared.get(problem))
        state = self.initial.first
        self.added: dict[int, placement.Source] = {}
        total = self.initial.total
        for number, event in enumerate(self.events):
            if event.add:
                # Each event has numbers of its own.
                state = np.uint64(placement.jump(state, 2 * n * n))
                means = np.full(event.right - event.left + 1, event.add / event.cells)
                rows = event.bottom, event.top + 1
                self.added[number] = placement.source(n, event.left, rows, means, state, total)
                total += self.added[number].total
        self.total = total

    def lives(self, numbers: np.ndarray) -> Lives:
        """Return the lives of particles by their numbers."""
        order = np.argsort(numbers)
        ascending = numbers[order]
        found = Lives(*np.full((4, numbers.size), -1))
        for number, source in ((-1, self.initial), *self.added.items()):
            here = slice(*np.searchsorted(ascending, [source.base, source.base + source.total]))
            x, y = np.full((2, here.stop - here.start), -1)
            placement.origins(source, ascending[here], x, y)
            born = self.events[number].step if number >= 0 else 0
            steps = self._ends(number, born, x, y) - born
            for all_of, some in zip(found, (x, y, born, steps), strict=True):
                all_of[order[here]] = some
        return found

    def inside(self, columns: tuple[int, int], rows: tuple[int, int], steps: int) -> int:
        """Count the particles of the beginning which so many steps lead into a box of cells."""
        problem = self.problem
        spans = zip((columns, rows), (problem.stride, problem.m), strict=True)
        xs, ys = (_before(*span, by * steps, problem.n) for span, by in spans)
        rest = problem.charge, float(problem.m), np.empty((0, placement.ROWS))
        return sum(placement.place(self.initial, *x, *y, *rest) for x in xs for y in ys)

    def _ends(self, number: int, born: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return before which repetition particles are removed that start by event `number`, or how many
        repetitions there are."""
        ends = np.full(x.size, self.problem.repetitions)
        for event in reversed(self.events[number + 1 :]):
            if not event.add:
                at_x, at_y = self.problem.after(x, y, event.step - born)
                inside = (event.left <= at_x) & (at_x <= event.right)
                inside &= (event.bottom <= at_y) & (at_y <= event.top)
                ends[inside] = event.step
        return ends

    def living(self) -> np.ndarray:
        """Return how many particles each repetition moves."""
        change = np.zeros(self.problem.repetitions + 1, np.int64)
        if all(event.add for event in self.events):
            change[0] = self.initial.total
            for number, source in self.added.items():
                change[self.events[number].step] += source.total
        else:
            for chunk in self.chunks(self.total):
                lives = self.lives(np.arange(chunk.start, chunk.stop))
                np.add.at(change, lives.born, 1)
                np.subtract.at(change, lives.born + lives.steps, 1)
        living: np.ndarray = np.cumsum(change[:-1])
        return living

    @staticmethod
    def chunks(count: int) -> Iterator[slice]:
        """Yield slices of so many particles that are looked at together."""
        for start in range(0, count, CHUNK):
            yield slice(start, min(start + CHUNK, count))


def _before(first: int, last: int, by: int, n: int) -> list[tuple[int, int]]:
    """Return the range of n cells, all round, that comes to be [first, last) when it moves on by so many."""
    start = (first - by) % n
    stop = start + last - first
    return [(start, stop)] if stop <= n else [(start, n), (0, stop - n)]


# What the columns of a problem have, where members have counted it together.
_shared: dict[Any, np.ndarray] = {}


def share(problem: Any, counts: np.ndarray) -> None:
    """Tell how many particles the columns of a problem have, so that nobody counts all of them."""
    _shared.clear()
    _shared[problem] = counts


def part(problem: Any, rank: int, size: int) -> np.ndarray:
    """Return how many particles start in each column of a member's share, and 0 for the others."""
    counts = np.zeros(problem.means()[2].size, np.int64)
    placement.count_columns(_initial(problem, counts), *decomposition.block(counts.size, size, rank), counts)
    return counts


def _initial(problem: Any, counts: np.ndarray | None) -> placement.Source:
    """Return where particles are at first."""
    left, rows, means = problem.means()
    state = np.uint64(placement.FIRST + problem.audit)
    return placement.source(problem.n, left, rows, means, state, 0, counts)


@lru_cache(maxsize=4)
def of(problem: Any) -> Population:
    """Return the population of a problem, whose particles are counted once."""
    return Population(problem)
