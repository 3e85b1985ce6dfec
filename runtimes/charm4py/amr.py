from .._tagged import amr
from .team import Timed


class Kernel(Timed, amr.Kernel):
    """One chare's share."""
