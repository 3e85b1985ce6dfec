"""PIC, serial: one tile, which its particles only leave to come in at the other side."""

from collections.abc import Mapping

import numpy as np

from prk import kernel
from prk.check import Fields
from prk.pic import schedule
from prk.pic.problem import Pic
from prk.pic.tile import Tile, fields


class Kernel(kernel.Kernel[Pic]):
    """This member's tile."""

    def setup(self) -> None:
        self.done = 0
        self.cuts = schedule.even(self.problem.n, self.comm.size)
        self.tile = Tile(self.problem, self.cuts.box(self.comm.rank))

    def push(self) -> int:
        """Move this tile's particles by a step; return how many have left it, whose places are noted."""
        return self.tile.push()

    def send(self, leaving: int) -> None:
        """Give particles that have left this tile to the tiles that they are in, and take up what comes."""

    def step(self) -> None:
        self.tile.happen(self.done)
        self.send(self.push())
        self.done += 1

    def fields(self) -> Fields:
        return fields([self.tile], self.done)

    def save(self) -> dict[str, np.ndarray]:
        return {**self.tile.save(), "x": np.array(self.cuts.x), "y": np.array(self.cuts.y)}

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.cuts = schedule.Cuts(tuple(state["x"].tolist()), tuple(state["y"].tolist()))
        self.tile.restore(state)
        self.done = repetition
