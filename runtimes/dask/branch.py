"""Branch on Dask: nothing is communicated, every member has a loop of its own."""

from prk.branch import serial


class Kernel(serial.Kernel):
    """One worker's loop."""
