"""What ranks do in a repetition between one-sided synchronisations. Pure, without MPI."""

from typing import Any

from prk.runtime import Options
from prk.schedule import FLUSHED, GOT, ORDERED, POSTED, SEND, Layout, Meeting, Step

from .. import _steps as common


def stencil(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Put edges, all ranks between two fences, or with the neighbours alone; then sweep."""
    divided = common.super_tiles(problem, layout.ranks, 1)
    sync = options["sync"]
    puts = common.boxes(problem, divided, ORDERED, completed=sync == "passive")
    around: dict[str, list[Step]] = {
        "fence": [puts, Meeting(layout.ranks)],
        "pscw": [common.empty(puts, SEND), puts],
        "passive": [puts, common.empty(puts, ORDERED, completed=True)],
    }
    return [*around[sync], common.tiles(problem, layout)]


def synch_p2p(problem: Any, options: Options, layout: Layout) -> list[Any]:
    """Put each line when the neighbour has taken the one before, or flush it and raise a flag."""
    way = POSTED if options["sync"] == "pscw" else FLUSHED
    steps: list[Any] = common.pipelined(way)(problem, options, layout)
    return steps


def transpose(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Put or get blocks, all ranks meeting before and after each bundle of them."""
    way = ORDERED if options["access"] == "put" else GOT
    return common.blocks(problem, layout, way=way, fence=True, bundle=options["bundle"])
