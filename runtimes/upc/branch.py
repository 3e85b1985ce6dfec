"""Branch, UPC's model: nothing is communicated, every thread has a loop of its own."""

from prk.branch import serial


class Kernel(serial.Kernel):
    """The serial version on each thread."""
