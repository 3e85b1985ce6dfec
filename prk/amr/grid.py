"""One of AMR's grids, as the kernels of Stencil know their problem."""

from dataclasses import dataclass

from prk.amr.schedule import Mesh
from prk.decomposition import Tile
from prk.stencil.problem import Stencil


@dataclass(frozen=True, kw_only=True)
class Grid(Stencil):
    """A grid in pieces of its own, whose points are so many times as close together as the background's."""

    mesh: Mesh
    expansion: int = 1

    @property
    def scale(self) -> int:
        return self.expansion

    def tile(self, rank: int, size: int) -> Tile:
        return self.mesh.tile(rank)

    def busiest(self, size: int) -> int:
        rows, cols = self.mesh.counts
        return self.mesh.rank(int(rows > 2), int(cols > 2))

    def largest_tile(self, size: int) -> tuple[int, int]:
        heights, widths = self.mesh.widths()
        return max(heights), max(widths)
