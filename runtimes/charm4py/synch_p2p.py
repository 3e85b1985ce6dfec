from .._tagged import synch_p2p
from .team import Timed


class Kernel(Timed, synch_p2p.Kernel):
    """One chare's share."""
