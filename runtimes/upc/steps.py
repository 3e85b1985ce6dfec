"""What threads do in a repetition where they access windows by calls. Pure, without MPI."""

from typing import Any

from prk.runtime import Options
from prk.schedule import FLUSHED, GOT, Layout, Meeting, Step

from .. import _steps as common


def stencil(problem: Any, options: Options, layout: Layout) -> list[Step] | None:
    """Pull ghosts between two barriers, and sweep; nothing is said of loads."""
    if options["access"] == "loads":
        return None
    meet = Meeting(layout.ranks)
    ghosts = common.boxes(problem, common.super_tiles(problem, layout.ranks, 1), GOT)
    return [meet, ghosts, meet, common.tiles(problem, layout)]


def synch_p2p(problem: Any, options: Options, layout: Layout) -> list[Any] | None:
    """Put each line's value and post; nothing is said of values that are pulled when a counter says so."""
    if options["access"] == "loads" or options["sync"] == "strict":
        return None
    steps: list[Any] = common.pipelined(FLUSHED)(problem, options, layout)
    return steps


def transpose(problem: Any, options: Options, layout: Layout) -> list[Step] | None:
    """Pull a block a phase, all threads meeting before and after; nothing is said of loads."""
    if options["access"] == "loads":
        return None
    return common.blocks(problem, layout, way=GOT, fence=True)
