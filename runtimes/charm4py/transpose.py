from .._tagged import transpose
from .team import Timed


class Kernel(Timed, transpose.Kernel):
    """One chare's share."""
