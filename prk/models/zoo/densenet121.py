"""DenseNet-121: each layer sees what all before it in its block have made."""

import torch
from torch import nn

from prk.models.model import Model, Published
from prk.models.zoo._images import convolved, images

GROWTH, WIDTH = 32, 4
BLOCKS = (6, 12, 24, 16)


def before(inside: int, outside: int, size: int) -> list[nn.Module]:
    """Return batch norm and ReLU, and the convolution after them."""
    return [nn.BatchNorm2d(inside), nn.ReLU(), nn.Conv2d(inside, outside, size, 1, size // 2, bias=False)]


class Layer(nn.Module):
    """A few channels more, beside those that there are."""

    def __init__(self, inside: int):
        super().__init__()
        middle = WIDTH * GROWTH
        self.main = nn.Sequential(*before(inside, middle, 1), *before(middle, GROWTH, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.main(x)], 1)


def build() -> nn.Module:
    layers: list[nn.Module] = [*convolved(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for block, depth in enumerate(BLOCKS):
        if block:
            layers += [*before(inside, inside // 2, 1), nn.AvgPool2d(2)]
            inside //= 2
        layers += [Layer(inside + GROWTH * number) for number in range(depth)]
        inside += GROWTH * depth
    head = [nn.BatchNorm2d(inside), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head, nn.Linear(inside, 1000))


MODEL = Model(
    title="DenseNet-121 (Huang et al., 2017), 224 x 224",
    build=build,
    inputs=images,
    parameters="7978856",
    published=Published(32, 9.19e10, 8.09e9, 11, 0.029),
    note="theirs is half of our flop: a multiplication and an addition count once there",
)
