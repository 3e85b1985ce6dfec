"""GoogLeNet as its paper has it: biases and no batch norm, 5 x 5 convolutions, no auxiliary classifiers."""

import torch
from torch import nn

from prk.models.model import Model, Published
from prk.models.zoo._images import images

# Of each module: 1 x 1; before 3 x 3, and that; before 5 x 5, and that; after the pooling. 0: a pooling.
MODULES = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), 0, (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128), 0, (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


def convolved(inside: int, outside: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inside, outside, size, stride, size // 2), nn.ReLU()]


def halved() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class Inception(nn.Module):
    """Four ways beside each other."""

    def __init__(self, inside: int, one: int, to3: int, three: int, to5: int, five: int, pooled: int):
        super().__init__()
        self.ways = nn.ModuleList(
            [
                nn.Sequential(*convolved(inside, one, 1)),
                nn.Sequential(*convolved(inside, to3, 1), *convolved(to3, three, 3)),
                nn.Sequential(*convolved(inside, to5, 1), *convolved(to5, five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), *convolved(inside, pooled, 1)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([way(x) for way in self.ways], 1)


def build() -> nn.Module:
    layers = [*convolved(3, 64, 7, 2), halved(), nn.LocalResponseNorm(5)]
    layers += [*convolved(64, 64, 1), *convolved(64, 192, 3), nn.LocalResponseNorm(5), halved()]
    inside = 192
    for widths in MODULES:
        if isinstance(widths, int):
            layers.append(halved())
        else:
            layers.append(Inception(inside, *widths))
            one, _, three, _, five, pooled = widths
            inside = one + three + five + pooled
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 1000))


MODEL = Model(
    title="GoogLeNet (Szegedy et al., 2015), 224 x 224",
    build=build,
    inputs=images,
    parameters="6998552",
    published=Published(32, 7.78e10, 2.46e9, 32, 0.014),
    note="theirs is 0.77 of our flop, as with ResNet-50: a profiler's count of kernels",
)
