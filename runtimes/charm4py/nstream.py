from .. import tagged
from .team import Timed


class Kernel(Timed, tagged.Nstream):
    """One chare's share."""
