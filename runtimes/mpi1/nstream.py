"""Nstream, MPI two-sided: nothing is communicated, every rank owns its block."""

from prk.nstream import serial


class Kernel(serial.Kernel):
    """The serial version on this rank's block."""
