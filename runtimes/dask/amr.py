from .._tagged import amr


class Kernel(amr.Kernel):
    """One worker's share."""
