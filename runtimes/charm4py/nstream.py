from .._tagged import nstream
from .team import Timed


class Kernel(Timed, nstream.Kernel):
    """One chare's share."""
