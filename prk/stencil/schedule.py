"""Who sends which points to whom before a sweep of Stencil, by sides of tiles. Pure, without communication.

Super-tiles, whose ranks send boxes instead, are `prk.decomposition.SuperTiles`.
"""

from typing import NamedTuple

from prk.decomposition import Box, Tile


class Side(NamedTuple):
    """One side of a tile: who is there (None at the border), the points it is sent, the ghosts it fills."""

    neighbour: int | None
    edge: Box
    ghost: Box


def sides(tile: Tile, radius: int) -> list[list[Side]]:
    """Return the sides of a tile, north and south, then west and east.

    In that order a message to the west or east also carries the rows that north and south just filled, so a
    compact stencil gets its corners.
    """
    r, (top, bottom), (left, right) = radius, tile.rows, tile.cols
    across, along = (left, right), (top - r, bottom + r)
    return [
        [
            Side(tile.north, ((top, top + r), across), ((top - r, top), across)),
            Side(tile.south, ((bottom - r, bottom), across), ((bottom, bottom + r), across)),
        ],
        [
            Side(tile.west, (along, (left, left + r)), (along, (left - r, left))),
            Side(tile.east, (along, (right - r, right)), (along, (right, right + r))),
        ],
    ]
