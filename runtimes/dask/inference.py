from .._tagged import inference


class Kernel(inference.Kernel):
    """The worker that takes queries, or one that computes."""
