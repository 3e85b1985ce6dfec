"""Residual networks of bottlenecks, version 1.5: the 3 x 3 convolution has the stride."""

import torch
from torch import nn

from prk.models.zoo._images import convolved


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions, and a way past them."""

    def __init__(self, inside: int, width: int, stride: int):
        super().__init__()
        outside = 4 * width
        last = convolved(width, outside, 1)[:2]
        self.main = nn.Sequential(*convolved(inside, width, 1), *convolved(width, width, 3, stride), *last)
        past = nn.Sequential(*convolved(inside, outside, 1, stride)[:2])
        self.past = past if stride > 1 or inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.past(x))


def resnet(depths: tuple[int, ...]) -> nn.Module:
    """Return the network with so many bottlenecks in its stages."""
    layers: list[nn.Module] = [*convolved(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for stage, depth in enumerate(depths):
        for number in range(depth):
            layers.append(Bottleneck(inside, 64 << stage, 2 if stage and not number else 1))
            inside = 256 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 1000))
