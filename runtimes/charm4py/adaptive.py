from .._tagged import adaptive
from .team import Timed


class Kernel(Timed, adaptive.Kernel):
    """The owner's chare, or a worker's."""
