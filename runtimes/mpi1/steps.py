"""What ranks do in a repetition, where that is mpi1's own. Pure, without MPI."""

from typing import Any

from prk.runtime import Options
from prk.schedule import Layout, Step

from .. import _steps as common
from .sent import SEGMENT


def allreduce(problem: Any, options: Options, layout: Layout) -> list[Step] | None:
    """Return an allreduce of the largest message; nothing is said of other collectives."""
    size, algorithm = layout.ranks, options["algorithm"]
    if algorithm == "library" or problem.collective != "allreduce":
        return common.library_allreduce(problem, options, layout)
    case = problem.cases(size, 0)[-1]
    count, item = case.work // case.itemsize, case.itemsize
    if size == 1:
        return []
    if algorithm == "ring":
        return [*common.ring(count, item, range(1), size, SEGMENT)]
    return common.halving(count, item, 1, size, SEGMENT, whole=algorithm == "recursive-doubling")
