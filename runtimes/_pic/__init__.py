"""What the runtimes say of PIC whose members have tiles with borders that may move. Pure."""

from typing import Any

from prk.problem import Refusal
from prk.runtime import Cell, Option, Options

BALANCE = Option(
    "balance", "none", "how borders of tiles follow the load", ("none", "tiles", "diffusive"), ()
)
PERIOD = Option("period", 3, "repetitions from one look at the load to the next", examples=(2,))
AXES = Option("axes", "both", "which borders follow it", ("both", "x", "y"))


def refuse(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if nothing can ever be balanced as it is asked for."""
    period = options["period"]
    if period < 1:
        raise Refusal("--period", f"{period} is too short", "use at least 1")
    if options["balance"] == "none":
        if options["axes"] != AXES.default:
            raise Refusal("--axes", "no border moves", "leave it out, or choose a --balance")
    elif period > problem.iterations:
        raise Refusal(
            "--period",
            f"{period} repetitions are more than the run has, so that nothing is balanced",
            f"use at most {problem.iterations}, or more --iterations",
        )


def memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of the load's histograms."""
    return problem.memory(size) + 4 * 8 * problem.n


TILES = Cell(options=(BALANCE, PERIOD, AXES), refuse=refuse, memory=memory, grid=True)
