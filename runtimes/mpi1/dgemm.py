"""DGEMM, MPI two-sided: panels go round rings of ranks, or by the library's broadcast, under the products."""

from typing import Any

import numpy as np
from mpi4py import MPI

from prk.dgemm import serial
from prk.dgemm.schedule import Line

from .._mpi.largecount import message


class Ring(serial.Panels):
    """Panels that each rank passes on to the next one before it multiplies them."""

    def prepare(self) -> None:
        self.receives, self.sends = [], []
        for number in range(len(self.line.panels)):
            panel = message(self.panel(number))
            source, to = self.line.source(number), self.line.to(number)
            self.receives.append(self.comm.Recv_init(panel, MPI.PROC_NULL if source is None else source))
            self.sends.append(self.comm.Send_init(panel, MPI.PROC_NULL if to is None else to))

    def begin(self, number: int) -> None:
        if number >= 2:
            # It left from the place where this one lands.
            self.sends[number - 2].Wait()
        self.receives[number].Start()
        if self.line.source(number) is None:
            self.sends[number].Start()

    def end(self, number: int) -> None:
        self.receives[number].Wait()
        if self.line.source(number) is not None:
            self.sends[number].Start()

    def finish(self) -> None:
        MPI.Request.Waitall(self.sends)

    def close(self) -> None:
        for request in (*self.receives, *self.sends):
            request.Free()


class Library(serial.Panels):
    """Panels that the library broadcasts to the ranks of a line."""

    def prepare(self) -> None:
        # The communicator is called like the line's first rank.
        self.team: Any = self.comm.Split(self.line.ranks[0], self.comm.rank)

    def begin(self, number: int) -> None:
        self.request = self.team.Ibcast(message(self.panel(number)), self.line.place(number))

    def end(self, number: int) -> None:
        self.request.Wait()

    def close(self) -> None:
        self.team.Free()


class Kernel(serial.Kernel):
    """This rank's blocks, with two places each where panels of A and of B land in turn."""

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        if len(line.ranks) == 1:
            return super().make(line, block)
        return (Ring if self.options["broadcast"] == "ring" else Library)(self, line, block)
