"""What the runtimes say of PIC whose members have tiles with borders that may move. Pure.

What they send is known where no border moves and nothing happens besides: how many particles leave a tile
follows from where they start.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from prk.decomposition import grid
from prk.pic import schedule
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options, Sent, together

# Doubles of an outbox's head: where what a member is given begins, how much that is now, and how much later.
HEAD = 3
# Of a particle.
NUMBERS = 6

# The ways to balance by moving borders.
MOVING = ("tiles", "diffusive")
BALANCE = Option("balance", "none", "how borders of tiles follow the load", ("none", *MOVING))
# Where parts can move to other workers as well.
RUNTIME = replace(BALANCE, choices=(*BALANCE.choices, "runtime"))
PERIOD = Option("period", 3, "repetitions from one look at the load to the next", examples=(2,))
BLOCKS = Option("blocks", 8, "blocks of cells a worker", examples=(1, 3))
AXES = Option("axes", "both", "which borders follow it", ("both", "x", "y"))


def refuse(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if nothing can ever be balanced as it is asked for."""
    period = options["period"]
    if period < 1:
        raise Refusal("--period", f"{period} is too short", "use at least 1")
    if options["axes"] != AXES.default and options["balance"] not in MOVING:
        raise Refusal("--axes", "no border moves", f"leave it out, or use --balance {' or '.join(MOVING)}")
    if options["balance"] != "none" and period > problem.iterations:
        raise Refusal(
            "--period",
            f"{period} repetitions are more than the run has",
            f"use at most {problem.iterations}, or more --iterations",
        )


def refuse_blocks(problem: Any, options: Options, workers: int) -> None:
    """Raise Refusal if blocks are narrower than a step, or there is no period."""
    each = options["blocks"]
    if options["period"] < 1:
        raise Refusal("--period", f"{options['period']} is too short", "use at least 1")
    if each < 1:
        raise Refusal("--blocks", f"{each} is too few", "use at least 1")
    if not _fit(problem, workers, each):
        works = next((fewer for fewer in range(each, 0, -1) if _fit(problem, workers, fewer)), None)
        raise Refusal(
            "--blocks",
            f"{each} for each of {workers} workers are narrower than a step",
            f"use {works}" if works else "use fewer workers",
        )


def _fit(problem: Any, workers: int, each: int) -> bool:
    """Tell whether so many blocks are no narrower than a step."""
    grids = zip(grid(workers), grid(each), problem.least, strict=True)
    return all(problem.n // (parts * inner) >= least for parts, inner, least in grids)


def memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of the load's histograms."""
    return problem.memory(size) + 4 * 8 * problem.n


def doubles(problem: Any, size: int) -> int:
    """Return how long an outbox is, equal on all members, so that what leaves in a step fits."""
    return (HEAD + 4) * size + int(problem.leaving(size)) + 64


def outbox_memory(problem: Any, options: Options, size: int) -> int:
    """Return the bytes of `memory`, with those of what is given as it stands for others to read."""
    return memory(problem, options, size) + 8 * doubles(problem, size)


def leaving(problem: Any, options: Options, size: int, rank: int) -> Iterator[Sent] | None:
    """A message to each neighbour to which particles go."""
    return _still(problem, options, lambda k: _given(problem.leavers(rank, size, k)))


def in_messages(
    problem: Any, options: Options, size: int, rank: int, mates: Container[int] = ()
) -> Iterator[Sent] | None:
    """The length of what follows to each neighbour, and then that; `mates` read it where it is."""
    near = [to for to in schedule.even(problem.n, size).neighbours(rank) if to not in mates]
    lengths = Sent(len(near), 8 * len(near))

    def sent(repetition: int) -> Sent:
        leavers = problem.leavers(rank, size, repetition)
        return together([lengths, _given({to: n for to, n in leavers.items() if to not in mates})])

    return _still(problem, options, sent)


def in_memory(problem: Any, options: Options, size: int, rank: int) -> Iterator[Sent] | None:
    """A member gets a head of each neighbour, and what that gives it, in rounds if there is much of it."""
    cuts, room = schedule.even(problem.n, size), doubles(problem, size) - HEAD * size

    def sent(repetition: int) -> Sent:
        found = []
        for source in cuts.neighbours(rank):
            near, leavers = cuts.neighbours(source), problem.leavers(source, size, repetition)
            parts = rounds([NUMBERS * leavers.get(to, 0) for to in near], room)[near.index(rank)]
            found += [Sent(1, 8 * length) for length in (*len(parts) * [HEAD], *filter(None, parts))]
        return together(found)

    return _still(problem, options, sent)


def _still(problem: Any, options: Options, sent: Callable[[int], Sent]) -> Iterator[Sent] | None:
    """Return what is sent in each repetition, where no border moves and no event happens."""
    return None if options["balance"] != "none" or problem.events else map(sent, count(1))


def _given(leavers: Mapping[int, int]) -> Sent:
    given = [number for number in leavers.values() if number]
    return Sent(len(given), 8 * NUMBERS * sum(given))


def rounds(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Return the portions in which each of the lengths is given, one at least."""
    found: list[list[int]] = [[] for _ in lengths]
    rest, giving = list(lengths), [*range(len(lengths))]
    while giving:
        for i, part in zip(giving, portions([rest[i] for i in giving], room), strict=True):
            found[i].append(part)
            rest[i] -= part
        giving = [i for i in giving if rest[i]]
    return found


def portions(lengths: Sequence[int], room: int) -> list[int]:
    """Return how much of each is given now, in room for more than there are lengths."""
    total = sum(lengths)
    if total <= room:
        return list(lengths)
    fair = room - len(lengths)
    return [min(length, 1 + length * fair // total) for length in lengths]


TILES = Cell(options=(BALANCE, PERIOD, AXES), refuse=refuse, memory=memory, grid=True)
OUTBOX = replace(TILES, memory=outbox_memory)
