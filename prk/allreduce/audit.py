"""Collectives on an audit's data: every element of every input is drawn, no two messages have the same."""

import numpy as np

from prk.allreduce.problem import BLOCKS_IN, REDUCING, Allreduce, positions
from prk.check import Fresh


def expected(
    problem: Allreduce, size: int, fresh: Fresh, name: str, where: tuple[slice, ...], count: int
) -> np.ndarray:
    """Return a box of a field, [member, element], after `count` repetitions of fresh data."""
    if name == "members":
        return np.full(1, size)
    ranks = range(where[0].start, where[0].stop)
    if name == "trace":
        return np.array([trace(problem, size, fresh, rank, where[1], count) for rank in ranks])
    rows = [output(problem, size, fresh, rank, where[1]) for rank in ranks]
    grown = growth(problem, size, where[1], count)
    return np.array([row + grown for row in rows])


def output(problem: Allreduce, size: int, fresh: Fresh, rank: int, span: slice) -> np.ndarray:
    """Return elements of a member's output for inputs that no repetition has changed."""

    def given(source: int, elements: slice) -> np.ndarray:
        box = (slice(source, source + 1), elements)
        return fresh("input", box)[0].astype(problem.dtype).astype(float)

    _, (_, length) = problem.shape(size)
    found, start = np.empty(span.stop - span.start), span.start
    while start < span.stop:
        block, place = divmod(start, length)
        stop = min(span.stop, (block + 1) * length)
        from_ = place + (rank * length if problem.collective in BLOCKS_IN else 0)
        elements = slice(from_, from_ + stop - start)
        part = found[start - span.start : stop - span.start]
        if problem.collective in REDUCING:
            part[:] = 0.0
            for source in range(size):
                part += given(source, elements)
        else:
            part[:] = given(block, elements)
        start = stop
    return found


def messages(problem: Allreduce, number: int) -> int:
    """Return how many messages a repetition sends, the first one being number 0."""
    return problem.burst if number else 1


def growth(problem: Allreduce, size: int, span: slice, count: int) -> np.ndarray:
    """Return by how much elements of an output have grown after `count` repetitions, in every block alike."""
    _, (_, length) = problem.shape(size)
    grown = np.zeros(span.stop - span.start)
    places = np.arange(span.start, span.stop) % length
    for number, place in enumerate(positions(count, length).tolist()):
        grown[places == place] += problem.change(size) * messages(problem, number)
    return grown


def trace(problem: Allreduce, size: int, fresh: Fresh, rank: int, span: slice, count: int) -> np.ndarray:
    """Return the means that a member notes of its repetitions' messages; those to come are as they were."""
    _, (blocks, length) = problem.shape(size)
    kept = fresh("trace", (slice(rank, rank + 1), span))[0].astype(problem.dtype).astype(float)
    before: dict[int, int] = {}
    for number, place in enumerate(positions(count, length).tolist()):
        sent, at = messages(problem, number), number % blocks * length + place
        seen = before.get(place, 0)
        before[place] = seen + sent
        if span.start <= number < span.stop:
            first = output(problem, size, fresh, rank, slice(at, at + 1))[0]
            kept[number - span.start] = first + problem.change(size) * (seen + (sent + 1) / 2)
    return kept


def besides(problem: Allreduce, size: int, rank: int, fresh: Fresh) -> dict[str, np.ndarray]:
    """Return what a member's state holds besides its fields: its input, and that it has done nothing yet."""
    (given, length), _ = problem.shape(size)
    drawn = fresh("input", (slice(rank, rank + 1), slice(0, given * length)))
    return {"input": drawn.reshape(given, length), "laps": np.empty(0)}


def tolerance(problem: Allreduce, size: int, name: str) -> float:
    """Return the rounding of sums over the members, and of the additions of ones; other data only travels."""
    return 0.0 if name == "members" else (64 + size) * float(np.finfo(problem.dtype).eps)
