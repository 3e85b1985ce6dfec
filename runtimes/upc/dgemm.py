"""DGEMM, UPC's model: panels are copied out of shared arrays, under the products, or loaded there."""

from collections.abc import Mapping

import numpy as np

from prk.dgemm import serial
from prk.dgemm.schedule import Line

from .shared import Got, Shared, Threads


class Pulled(serial.Panels):
    """Panels out of the blocks of the other threads of a line, where they lie or as copies."""

    kernel: "Kernel"

    def prepare(self) -> None:
        self.shared: Shared = self.kernel.shared[0 if self.block is self.kernel.A else 1]

    def place(self, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return where a panel is in its owner's block."""
        within = self.line.within(number)
        return (within.start, within.stop), (0, self.block.shape[1])

    def panel(self, number: int) -> np.ndarray:
        if isinstance(self.shared, Got) or self.line.own(number):
            return super().panel(number)
        return self.shared.pull(self.line.owner(number), self.place(number), self.places[number])

    def begin(self, number: int) -> None:
        if isinstance(self.shared, Got) and not self.line.own(number):
            self.shared.begin(self.line.owner(number), self.place(number), self.panel(number))

    def end(self, number: int) -> None:
        if isinstance(self.shared, Got) and not self.line.own(number):
            self.shared.window.Flush(self.line.owner(number))


class Kernel(serial.Kernel):
    """This thread's blocks, those of A and B in shared arrays, where nothing changes."""

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        self.shared: list[Shared] = []
        super().setup()
        # All blocks are as they are to be copied.
        self.team.barrier()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        self.shared.append(self.team.array(shape))
        return self.shared[-1].own

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        return Pulled(self, line, block)

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.team.barrier()

    def close(self) -> None:
        super().close()
        self.team.close()
