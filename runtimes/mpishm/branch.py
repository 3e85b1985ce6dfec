"""Branch, MPI shared memory: nothing is communicated, every member has a loop of its own."""

from prk.branch import serial


class Kernel(serial.Kernel):
    """The serial version on each member."""
