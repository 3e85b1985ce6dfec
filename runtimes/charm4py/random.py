from .._tagged import random
from .team import Timed


class Kernel(Timed, random.Kernel):
    """One chare's share."""
