"""What the runtimes say of PIC whose members have tiles with borders that may move. Pure."""

from dataclasses import replace
from typing import Any

from prk.decomposition import grid
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options

# Doubles of an outbox's head: where what a member is given begins, how much that is now, and how much later.
HEAD = 3

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
            f"{period} repetitions are more than the run has, so that nothing is balanced",
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


TILES = Cell(options=(BALANCE, PERIOD, AXES), refuse=refuse, memory=memory, grid=True)
OUTBOX = replace(TILES, memory=outbox_memory)
