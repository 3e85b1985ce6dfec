"""Layers, ranks as workers: nothing is communicated, all share the bandwidth of their node."""

from prk.layers import serial


class Kernel(serial.Kernel):
    """The serial version on each rank's own data."""
