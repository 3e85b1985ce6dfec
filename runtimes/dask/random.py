from .._tagged import random


class Kernel(random.Kernel):
    """One worker's share."""
