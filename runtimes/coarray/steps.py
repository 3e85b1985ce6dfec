"""What images do in a repetition: a put or a get has arrived when it returns. Pure, without Fortran."""

from typing import Any

from prk.runtime import Options
from prk.schedule import FLUSHED, GOT, POSTED, SEND, Layout, Step

from .. import _steps as common


def stencil(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Put the edges along one axis and tell the neighbours, then along the other, and sweep."""
    edges: list[Step] = []
    for puts in common.halos(problem, layout, FLUSHED):
        # Both wait for each other in sync images.
        edges += [puts] if options["sync"] == "events" else [puts, common.empty(puts, SEND)]
    return [*edges, common.tiles(problem, layout)]


def synch_p2p(problem: Any, options: Options, layout: Layout) -> list[Any]:
    """Put each line's value and post its event, or wait for the neighbour in sync images."""
    way = FLUSHED if options["sync"] == "events" else POSTED
    steps: list[Any] = common.pipelined(way)(problem, options, layout)
    return steps


def transpose(problem: Any, options: Options, layout: Layout) -> list[Step]:
    """Put or get a block a phase; an event says when it has been used."""
    way = FLUSHED if options["access"] == "put" else GOT
    return common.blocks(problem, layout, way=way, answered=True)
