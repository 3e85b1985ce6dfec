from .._tagged import sparse


class Kernel(sparse.Kernel):
    """One worker's share."""
