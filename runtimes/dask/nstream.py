from .._tagged import nstream


class Kernel(nstream.Kernel):
    """One worker's share."""
