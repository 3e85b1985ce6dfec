"""Adaptive on tagged messages: a tile goes to a worker, which answers with what the tile before took it."""

import numpy as np

from prk.adaptive import serial
from prk.team import Messages


class Kernel(serial.Kernel):
    """The owner and its scheduler, or a worker."""

    comm: Messages

    def spread(self) -> None:
        self.comm.repetitions += 1
        tag = self.comm.repetitions, "vector"
        if not self.owner:
            (self.vector,) = self.comm.receive(tag)
        for to in range(1, self.comm.size) if self.owner else ():
            # A copy: the message may be under way when the vector changes.
            self.comm.send(to, tag, self.vector.copy())

    def give(self, to: int, parcel: np.ndarray) -> float:
        if not to:
            return super().give(to, parcel)
        # Nobody changes a tile, so that it need not be copied.
        self.comm.send(to, (self.comm.repetitions, "tile"), parcel)
        (seconds,) = self.comm.receive((self.comm.repetitions, "answer", to))
        return seconds

    def take(self) -> np.ndarray:
        (parcel,) = self.comm.receive((self.comm.repetitions, "tile"))
        self.comm.send(0, (self.comm.repetitions, "answer", self.comm.rank), self.seconds)
        return parcel

    def combine(self) -> None:
        for worker in range(1, self.comm.size) if self.owner else ():
            (part,) = self.comm.receive((self.comm.repetitions, "result", worker))
            self.result += part
        if not self.owner:
            self.comm.send(0, (self.comm.repetitions, "result", self.comm.rank), self.result.copy())
            self.result[:] = 0.0
