"""Nstream, Grappa's model: nothing is delegated, every core has its part of the vectors at home."""

from prk.nstream import serial


class Kernel(serial.Kernel):
    """The serial version on this core's part."""
