from .. import tagged
from .team import Timed


class Kernel(Timed, tagged.Transpose):
    """One chare's share."""
