"""Nstream, MPI and threads: nothing is communicated, every thread of every rank owns its part."""

from ..numba import nstream as threaded


class Kernel(threaded.Kernel):
    """The threads' version on this rank's block."""
