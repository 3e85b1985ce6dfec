from .. import tagged


class Kernel(tagged.Stencil):
    """One worker's share."""
