"""Synch_global, MPI one-sided: every rank puts its digits into all windows, into two strings in turn."""

import numpy as np

from prk.synch_global import serial

from .._mpi.onesided import Landing


class Kernel(serial.Kernel):
    """This rank's digits; the strings stand in its window."""

    def setup(self) -> None:
        super().setup()
        self.others = [rank for rank in range(self.comm.size) if rank != self.comm.rank]
        self.landing = Landing(self.comm, self.others, self.problem.n, np.uint8, self.options)

    def gather(self) -> np.ndarray:
        self.landing.open()
        for to in self.others:
            self.landing.put(self.digits, to, self.own.start)
        string = self.landing.close()
        string[self.own] = self.digits
        return string

    def close(self) -> None:
        self.landing.free()
