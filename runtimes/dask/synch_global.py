"""Synch_global on Dask: each member sends its digits to all others."""

from typing import Any

import numpy as np

from prk.synch_global import serial
from prk.team import Messages

from .._tagged import counted


class Kernel(serial.Kernel):
    """One worker's digits, and the string of all."""

    comm: Messages

    def setup(self) -> None:
        super().setup()
        self.others = [rank for rank in range(self.comm.size) if rank != self.comm.rank]

    def gather(self) -> np.ndarray:
        comm, each = self.comm, self.digits.size
        comm.repetitions += 1
        # One copy for all: it is under way when the digits change.
        mine = self.digits.copy()
        for to in self.others:
            comm.send(to, (comm.repetitions, comm.rank), mine)
        self.string[self.own] = mine
        for source in self.others:
            part = self.string[source * each : (source + 1) * each]
            (part[:],) = comm.receive((comm.repetitions, source))
        return self.string

    def findings(self) -> dict[str, Any]:
        return counted(self.comm, len(self.others))
