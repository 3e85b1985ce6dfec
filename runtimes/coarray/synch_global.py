"""Synch_global, Coarray Fortran: every image puts its digits into all others' strings, and posts an event."""

import numpy as np

from prk import decomposition
from prk.synch_global import serial

from . import sizes
from .images import Coarray


class Kernel(serial.Kernel):
    """This image's digits; two strings in a coarray, used in turn, and an event for each.

    An image that is one repetition ahead puts into, and posts for, the other string; two ahead it cannot be,
    because it has waited for this image's own digits.
    """

    def setup(self) -> None:
        super().setup()
        self.images = Coarray(self.comm, sizes.synch_global(self.problem, self.comm.size), events=2)
        self.strings = [self.images.array(self.problem.n, np.uint8) for _ in range(2)]
        self.others = [to for _, to in decomposition.pairwise(self.comm.rank, self.comm.size)]
        self.done = 0

    def gather(self) -> np.ndarray:
        turn = self.done % 2
        self.done += 1
        string = self.strings[turn]
        string[self.own] = self.digits
        for to in self.others:
            self.images.put(string[self.own], self.digits, to)
            self.images.post(turn, to)
        self.images.wait(turn, len(self.others))
        return string

    def close(self) -> None:
        self.images.close()
