"""Stencil, Coarray Fortran: an edge is put where the neighbour looks for it, which then is told."""

import numpy as np

from prk.stencil import serial

from . import sizes
from .images import reserve


class Kernel(serial.Kernel):
    """This image's tile; a neighbour's edge lands in one buffer in odd repetitions, in another in even ones.

    A neighbour that is one repetition ahead puts into the other buffer; two ahead it cannot be, because it
    has waited for this image's own edge.
    """

    def setup(self) -> None:
        super().setup()
        problem, size = self.problem, self.comm.size
        self.images = reserve(self.comm, sizes.stencil(problem, size), sizes.EVENTS)
        self.landing = self.images.array((4, 2, sizes.longest_edge(problem, size)), problem.dtype)
        # Sides are numbered north, south, west, east: mine lands at the neighbour's opposite.
        sides = [
            [(2 * axis + i, side) for i, side in enumerate(pair)] for axis, pair in enumerate(self.sides())
        ]
        self.axes = [
            [(n, side.neighbour, side) for n, side in pair if side.neighbour is not None] for pair in sides
        ]
        self.told, self.posts = self.images.events(sizes.EVENTS), self.options["sync"] == "events"
        self.done = 0

    def exchange(self) -> None:
        self.done += 1
        landing = self.landing[:, self.done % 2]
        for axis in self.axes:
            for number, neighbour, side in axis:
                self.give(landing[number ^ 1], side.edge, self.told[number ^ 1], neighbour)
            if not self.posts:
                self.images.sync_images([neighbour for _, neighbour, _ in axis])
            for number, _, side in axis:
                if self.posts:
                    self.images.wait(self.told[number])
                ghost = self.inp[side.ghost]
                ghost[:] = landing[number, : ghost.size].reshape(ghost.shape)

    def give(self, there: np.ndarray, edge: tuple[slice, slice], event: int, neighbour: int) -> None:
        """Put an edge into a buffer of a neighbour's, and post its event."""
        self.images.put(there, self.inp[edge].ravel(), neighbour)
        if self.posts:
            self.images.post(event, neighbour)

    def close(self) -> None:
        self.images.close()
