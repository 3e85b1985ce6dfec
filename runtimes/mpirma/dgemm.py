"""DGEMM, MPI one-sided: every rank gets the panels out of their owners' windows, under the products."""

from collections.abc import Mapping

import numpy as np
from mpi4py import MPI

from prk.dgemm import serial
from prk.dgemm.schedule import Line

from .._mpi import onesided
from .._mpi.largecount import message


class Got(serial.Panels):
    """Panels out of the windows of the other ranks of a line, whose blocks are as long as this one's."""

    window: MPI.Win

    def begin(self, number: int) -> None:
        if not self.line.own(number):
            start = self.line.within(number).start * self.block.shape[1]
            self.window.Get(message(self.panel(number)), self.line.owner(number), start)

    def end(self, number: int) -> None:
        if not self.line.own(number):
            self.window.Flush(self.line.owner(number))


class Kernel(serial.Kernel):
    """This rank's blocks, A and B in windows, where nothing changes: nobody waits for anybody."""

    def setup(self) -> None:
        self.windows: list[MPI.Win] = []
        super().setup()
        for window in self.windows:
            window.Lock_all()
        self.expose()

    def allocate(self, shape: tuple[int, int]) -> np.ndarray:
        window, block = onesided.allocate(self.comm, shape, self.options["window"])
        self.windows.append(window)
        return block

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        made = Got(self, line, block)
        made.window = self.windows[0 if block is self.A else 1]
        return made

    def expose(self) -> None:
        """Return when all ranks' blocks are as they are to be got."""
        for window in self.windows:
            window.Sync()
        self.comm.Barrier()
        for window in self.windows:
            window.Sync()

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        super().restore(state, repetition)
        self.expose()

    def close(self) -> None:
        super().close()
        for window in self.windows:
            window.Unlock_all()
            window.Free()
