"""What chares there can be, and what starts their processing elements. Pure, without Charm4py."""

import importlib.util
import os
from pathlib import Path

from prk.problem import Problem, Refusal
from prk.runtime import Options


def charmrun() -> Path:
    """Return the launcher that came with Charm4py; raise Refusal if it is missing.

    It is the program itself: the script of that name on PATH would be one more process to end.
    """
    found = importlib.util.find_spec("charmrun")
    for folder in (found.submodule_search_locations or []) if found else []:
        if os.access(Path(folder, "charmrun"), os.X_OK):
            return Path(folder, "charmrun")
    raise Refusal(
        "--pe", "charmrun is missing, which starts more than one", "reinstall charm4py, or use --pe 1"
    )


def moving(options: Options) -> bool:
    """Tell whether Charm moves chares in a run."""
    return options.get("balance") == "runtime" or options.get("variant") == "blocks"


def refuse_chares(problem: Problem, options: Options, pes: int) -> None:
    """Raise Refusal if `pes` processing elements cannot hold the chares asked for."""
    factor = options["overdecomposition"]
    if options["pe"] < 0:
        raise Refusal("--pe", f"{options['pe']} is negative", "use 0 for as many as the cpu set has")
    if factor < 1:
        raise Refusal("--overdecomposition", f"{factor} is too small", "use at least 1")
    reason = _why_not(problem, pes * factor)
    if factor > 1 and reason and not _why_not(problem, pes):
        works = next(f for f in range(factor, 0, -1) if not _why_not(problem, pes * f))
        raise Refusal(
            "--overdecomposition",
            f"{factor} makes {pes * factor} chares, too many ({reason})",
            f"use {works}",
        )


def _why_not(problem: Problem, size: int) -> str:
    try:
        problem.refuse(size)
    except Refusal as refusal:
        return str(refusal).partition("; ")[0]
    return ""
