"""Allreduce by Charm4py's own reduction, whose result every chare gets."""

from charm4py import Reducer

from prk.allreduce import serial

from .team import Timed


class Kernel(Timed, serial.Kernel):
    """One chare's buffers."""

    def collective(self) -> None:
        self.output[0] = self.comm.chare.allreduce(self.source[0], Reducer.sum).get()
