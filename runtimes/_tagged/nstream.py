"""Nstream on tagged messages: every member owns its part of the vectors."""

from prk.nstream import serial
from prk.team import Messages


class Kernel(serial.Kernel):
    """This member's part of the vectors; nothing is communicated."""

    comm: Messages

    def step(self) -> None:
        super().step()
        # Else a small part would stay in cache for all its repetitions, and bandwidth is what is measured.
        self.comm.give_way()
