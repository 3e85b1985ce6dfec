"""Pieces that models of several workloads are made of."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class Residual(nn.Module):
    """Two convolutions and a way past them; group norm, whose result does not depend on the ranks."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.GroupNorm(8, outside),
        )
        past = nn.Conv2d(inside, outside, 1, stride, bias=False)
        self.past = past if inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.past(x))


class Separable(nn.Sequential):
    """A convolution of each channel by itself, then one that mixes the channels of a point; group norm."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__(
            nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False),
            nn.GroupNorm(8, inside),
            nn.ReLU(),
            nn.Conv2d(inside, outside, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.ReLU(),
        )


class Collaborative(nn.Module):
    """Scores of users and items: factors multiplied, beside layers over other factors, and both weighed."""

    def __init__(self, users: int, items: int, factors: int, widths: Sequence[int]):
        super().__init__()
        self.user_factors, self.item_factors = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.user_inputs = nn.Embedding(users, widths[0] // 2)
        self.item_inputs = nn.Embedding(items, widths[0] // 2)
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(factors + widths[-1], 1)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        product = self.user_factors(users) * self.item_factors(items)
        inputs = torch.cat([self.user_inputs(users), self.item_inputs(items)], dim=1)
        return self.score(torch.cat([product, self.layers(inputs)], dim=1)).squeeze(1)
