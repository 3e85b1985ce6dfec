from .. import tagged


class Kernel(tagged.SynchP2P):
    """One worker's share."""
