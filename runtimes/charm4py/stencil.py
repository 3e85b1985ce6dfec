from .. import tagged
from .team import Timed


class Kernel(Timed, tagged.Stencil):
    """One chare's share."""
