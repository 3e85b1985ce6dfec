from .._tagged import pic
from .team import Timed


class Kernel(Timed, pic.Kernel):
    """One chare's share."""
