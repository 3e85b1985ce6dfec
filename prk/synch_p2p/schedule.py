"""Who tells whom in Synch_p2p: lines go to the right, the corner back to the first. Pure; also compiled."""

# Nobody is there.
NOBODY = -1


def neighbours(rank, size):
    """Return the ranks that send lines to `rank` and get them from it, or NOBODY."""
    left = rank - 1 if rank > 0 else NOBODY
    right = rank + 1 if rank < size - 1 else NOBODY
    return left, right


def corner(rank, size):
    """Return the ranks that send the corner to `rank` and get it from it, or NOBODY; alone there are none."""
    source = size - 1 if rank == 0 and size > 1 else NOBODY
    to = 0 if rank == size - 1 and size > 1 else NOBODY
    return source, to
