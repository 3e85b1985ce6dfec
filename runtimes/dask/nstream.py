from .. import tagged


class Kernel(tagged.Nstream):
    """One worker's share."""
