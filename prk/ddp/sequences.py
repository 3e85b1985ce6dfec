"""What workloads whose answers are sequences of tokens have in common. Imports no PyTorch."""

import numpy as np

from prk.ddp.descriptions import NOTHING


def token_loss(forward, source, target, smoothed=0.0):
    """Return the cross entropy of what follows in the targets, divided by all their places.

    smoothed: the part of each token that is spread over the vocabulary. Where nothing follows none is scored.

    A mean over tokens would not be the mean over equal shares, whose tokens are not as many.
    """
    from torch import nn

    after = target[:, 1:]
    there = after != NOTHING
    found = forward(source, target[:, :-1], there)
    summed = nn.functional.cross_entropy(found, after[there], label_smoothing=smoothed, reduction="sum")
    return summed / after.numel()


def cell_weights(gates: int, inside: int, outside: int) -> list[int]:
    """Return how many numbers the weights of a recurrent layer have: an LSTM has four gates, a GRU three."""
    both = gates * outside
    return [both * inside, both * outside, both, both]


def recurrent_weights(gates: int, vocabulary: int, width: int, layers: int) -> list[int]:
    """Return how many numbers the weights of `blocks.Recurrent` have."""
    w, more = width, layers - 1
    encoder = [*2 * cell_weights(gates, w, w // 2), *more * cell_weights(gates, w, w)]
    decoder = [*cell_weights(gates, w, w), w * w, w, *more * cell_weights(gates, 2 * w, w)]
    return [vocabulary * w, *encoder, *decoder, 2 * w * vocabulary, vocabulary]


def perplexity(sums: np.ndarray) -> float:
    """Return how many tokens are as good as equally likely, from their lost logarithms and their number."""
    return float(np.exp(sums[0] / sums[1]))
