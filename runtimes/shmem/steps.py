"""What PEs do in a repetition: puts, and flags that follow them. Pure, without OpenSHMEM."""

from typing import Any

from prk.runtime import Options
from prk.schedule import FLUSHED, ORDERED, POSTED, Layout, Step

from .. import _steps as common


def way(options: Options) -> str:
    """Return how a PE is told: OpenSHMEM orders what it puts, over MPI's windows that takes a flush each."""
    return FLUSHED if options["shmem-backend"] == "rma" else ORDERED


def stencil(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Put the edges along one axis and count them at the neighbours, then along the other, and sweep."""
    return [*common.halos(problem, layout, way(options)), common.tiles(problem, layout)]


def synch_p2p(problem: Any, options: Options, layout: Layout) -> list[Any]:
    """Put each line's value and raise its flag, which with a handshake must have been taken back before."""
    how = POSTED if options["handshake"] == "on" else way(options)
    steps: list[Any] = common.pipelined(how, alone=True)(problem, options, layout)
    return steps


def transpose(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Put a block a phase and count it; the other says when it has taken it."""
    return common.blocks(problem, layout, way=way(options), answered=True)
