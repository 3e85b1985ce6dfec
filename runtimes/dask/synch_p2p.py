from .._tagged import synch_p2p


class Kernel(synch_p2p.Kernel):
    """One worker's share."""
