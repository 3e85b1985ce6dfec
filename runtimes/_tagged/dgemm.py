"""DGEMM on tagged messages: panels go round rings of members, under the products."""

from typing import Any

import numpy as np

from prk.dgemm import serial
from prk.dgemm.schedule import Line
from prk.team import Messages

from . import counted


class Ring(serial.Panels):
    """Panels that each member passes on to the next one before it multiplies them; nobody changes them."""

    def landing(self) -> list[np.ndarray]:
        # A panel is used where its message has brought it.
        return [np.empty(0)] * len(self.line.panels)

    def begin(self, number: int) -> None:
        if self.line.own(number):
            self.give(number)

    def end(self, number: int) -> None:
        if not self.line.own(number):
            (self.places[number],) = self.comm.receive(self.tag(number))
            self.give(number)
        if number:
            # The one before is used up.
            self.places[number - 1] = np.empty(0)

    def give(self, number: int) -> None:
        """Pass a panel on, unless the ring ends here."""
        to = self.line.to(number)
        if to is not None:
            self.comm.send(to, self.tag(number), self.panel(number))

    def tag(self, number: int) -> tuple[int, bool, int]:
        return self.comm.repetitions, self.block is self.kernel.A, number

    def finish(self) -> None:
        self.places[-1] = np.empty(0)


class Kernel(serial.Kernel):
    """This member's blocks."""

    comm: Messages

    def make(self, line: Line, block: np.ndarray) -> serial.Panels:
        return Ring(self, line, block)

    def step(self) -> None:
        self.comm.repetitions += 1
        super().step()

    def findings(self) -> dict[str, Any]:
        others = [not p.line.own(number) for p in self.panels for number in range(self.number)]
        return counted(self.comm, sum(others))
