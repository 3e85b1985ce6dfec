"""Which gradients are reduced together. Pure, without PyTorch."""

from collections.abc import Sequence
from itertools import pairwise


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


def weights(shape: Sequence[int], biases: bool) -> list[int]:
    """Return the numbers in each weight of linear layers: a matrix, and a bias after it if there are any."""
    found = []
    for inside, outside in pairwise(shape):
        found += [inside * outside, *([outside] if biases else [])]
    return found
