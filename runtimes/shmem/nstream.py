"""Nstream, OpenSHMEM: nothing is communicated, every PE owns its block."""

from prk.nstream import serial


class Kernel(serial.Kernel):
    """The serial version on this PE's block."""
