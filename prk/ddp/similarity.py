"""How alike images look: structural similarity at several scales (Wang, Simoncelli and Bovik, 2003)."""

import torch
from torch.nn import functional

# Points a side of the window, its standard deviation, the constants of the measure for points from 0 to 1.
WINDOW, SPREAD, ONE, OTHER = 11, 1.5, 0.01**2, 0.03**2
# How much each scale counts, the finest first: the first three of the five published, to a sum of 1.
SCALES = torch.tensor([0.0448, 0.2856, 0.3001])
SCALES /= SCALES.sum()


def ms_ssim(some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the similarity of each pair of images (n x 1 x height x width, from 0 to 1): n numbers."""
    places = torch.arange(WINDOW) - WINDOW // 2
    line = torch.exp(-0.5 * (places / SPREAD) ** 2)
    window = torch.outer(line, line)
    window = (window / window.sum())[None, None]
    found = torch.ones(len(some))
    for number, weight in enumerate(SCALES):
        pieces = torch.cat([some, others, some * some, others * others, some * others])
        mean, mean2, square, square2, product = functional.conv2d(pieces, window).chunk(5)
        contrast = (2 * (product - mean * mean2) + OTHER) / (
            square - mean * mean + square2 - mean2 * mean2 + OTHER
        )
        if number == len(SCALES) - 1:
            contrast = contrast * (2 * mean * mean2 + ONE) / (mean * mean + mean2 * mean2 + ONE)
        found *= contrast.mean((1, 2, 3)).clamp(min=0) ** weight
        some, others = functional.avg_pool2d(some, 2), functional.avg_pool2d(others, 2)
    return found
