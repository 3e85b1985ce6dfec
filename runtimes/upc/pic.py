"""PIC, UPC's model: what a thread gives stands in its block of a shared array, and its partners pull it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from prk.pic import distributed

from .._pic import doubles
from ..mpirma.pic import Window
from ..mpishm.pic import Shared
from .shared import Threads


class Kernel(distributed.Kernel):
    """This thread's tile; strict counters say what may be pulled, and what has been."""

    def setup(self) -> None:
        self.team = Threads(self.comm, self.options["access"])
        length = doubles(self.problem, self.comm.size)
        loads = self.team.group
        self.outbox: Any = Shared(loads, length) if loads else Window(self.comm, length, "allocate")
        super().setup()

    def exchange(self, partners: Sequence[int], out: Sequence[np.ndarray]) -> list[np.ndarray]:
        came: list[np.ndarray] = self.outbox.exchange(partners, out)
        return came

    def close(self) -> None:
        if not self.team.group:
            self.outbox.free()
        self.team.close()
