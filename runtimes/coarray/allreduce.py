"""Allreduce, Coarray Fortran: the collective co_sum, which is in place."""

from prk.allreduce import serial

from . import library


class Kernel(serial.Kernel):
    """This image's buffers; out of place that takes a copy first."""

    def setup(self) -> None:
        super().setup()
        self.fortran = library.load(self.comm)

    def collective(self) -> None:
        super().collective()
        self.fortran.co_sum(self.output)
