from .._tagged import adaptive


class Kernel(adaptive.Kernel):
    """The owner, or one worker."""
