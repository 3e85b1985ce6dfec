"""Nstream, OpenSHMEM: nothing is communicated, every PE owns its block."""

from prk.nstream import serial
from prk.nstream.problem import Nstream


def symmetric_memory(problem: Nstream, size: int) -> int:
    return 0


class Kernel(serial.Kernel):
    """The serial version on this PE's block."""
