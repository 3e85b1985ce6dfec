from .._tagged import stencil


class Kernel(stencil.Kernel):
    """One worker's share."""
