from .._tagged import stencil
from .team import Timed


class Kernel(Timed, stencil.Kernel):
    """One chare's share."""
