"""Synch_global, OpenSHMEM: every PE puts its digits into all others' strings, and counts them there."""

import numpy as np

from prk.synch_global import serial

from . import heap
from .compiled import GE
from .heap import APART
from .layer import symmetric


class Kernel(serial.Kernel):
    """This PE's digits; two strings, used in turn, in symmetric memory.

    A PE that is one repetition ahead puts into, and counts at, the other string; two ahead it cannot be,
    because it has waited for this PE's own digits.
    """

    def setup(self) -> None:
        super().setup()
        self.shmem = symmetric(self.comm, heap.synch_global(self.problem, self.comm.size))
        self.strings = self.shmem.zeros((2, self.problem.n), np.uint8)
        self.arrived = self.shmem.zeros(2 * APART, np.int64)
        self.others = [pe for pe in range(self.comm.size) if pe != self.comm.rank]
        self.done = 0

    def gather(self) -> np.ndarray:
        turn, times = self.done % 2, self.done // 2 + 1
        string, counter = self.strings[turn], self.arrived[turn * APART : turn * APART + 1]
        self.done += 1
        string[self.own] = self.digits
        for pe in self.others:
            self.shmem.put(string[self.own], self.digits, pe)
        self.shmem.fence()
        for pe in self.others:
            self.shmem.atomic_inc(counter, pe)
        self.shmem.wait_until(counter, GE, times * len(self.others))
        return string

    def close(self) -> None:
        self.shmem.close()
