"""Adaptive on tagged messages: a tile goes to a worker, which answers with what the tile before took it."""

import time

import numpy as np

from prk.adaptive import serial
from prk.adaptive.owner import multiply, prepare, sent
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

    def send_tiles(self) -> None:
        if not self.workers:
            super().send_tiles()
            return
        for turn, number in enumerate(self.state.order):
            to = 1 + turn % self.workers
            parcel, width, chosen = prepare(self.state, number)
            begin, whole = time.perf_counter(), parcel.size == self.landing.size
            numbers = parcel.view(f"f{width}")
            # Nobody changes a tile, so that it need not be copied; what is made of one is soon overwritten.
            self.comm.send(to, (self.comm.repetitions, "tile"), numbers if whole else numbers.copy())
            (seconds,) = self.comm.receive((self.comm.repetitions, "answer", to))
            sent(self.state, parcel.size, chosen, to, begin, seconds)

    def take_tiles(self) -> None:
        for number in self.order:
            (numbers,) = self.comm.receive((self.comm.repetitions, "tile"))
            self.comm.send(0, (self.comm.repetitions, "answer", self.comm.rank), self.seconds)
            about = self.vector, self.result, self.problem.tile
            self.seconds = multiply(self.clock, number, numbers.view(np.uint8), numbers.itemsize, *about)

    def combine(self) -> None:
        for worker in range(1, self.comm.size) if self.owner else ():
            (part,) = self.comm.receive((self.comm.repetitions, "result", worker))
            self.result += part
        if not self.owner:
            self.comm.send(0, (self.comm.repetitions, "result", self.comm.rank), self.result.copy())
            self.result[:] = 0.0
