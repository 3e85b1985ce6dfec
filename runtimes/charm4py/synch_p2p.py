from .. import tagged
from .team import Timed


class Kernel(Timed, tagged.SynchP2P):
    """One chare's share."""
