"""Which gradients are reduced together. Pure, without PyTorch."""

from collections.abc import Sequence

# How an optimizer's state is held: all of it by every member, or an equal part by each.
REPLICATED, SHARDED = "replicated", "sharded"


def buckets(lengths: Sequence[int], limit: float) -> list[list[int]]:
    """Return the weights' places in buckets of at most `limit` bytes, or of one, from the last to the first.

    lengths: the bytes of each weight. Gradients become ready from the last layer to the first.
    """
    found: list[list[int]] = [[]]
    held = 0
    for place in reversed(range(len(lengths))):
        if found[-1] and held + lengths[place] > limit:
            found.append([])
            held = 0
        found[-1].append(place)
        held += lengths[place]
    return found
