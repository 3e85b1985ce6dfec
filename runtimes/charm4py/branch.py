"""Branch on Charm4py: nothing is communicated, every chare has a loop of its own."""

from prk.branch import serial

from .team import Timed


class Kernel(Timed, serial.Kernel):
    """One chare's loop."""
