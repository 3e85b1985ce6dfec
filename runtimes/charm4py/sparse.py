from .._tagged import sparse
from .team import Timed


class Kernel(Timed, sparse.Kernel):
    """One chare's share."""
