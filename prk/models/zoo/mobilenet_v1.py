"""MobileNet-v1: a 3 x 3 convolution of each channel by itself, then a 1 x 1 of all."""

from torch import nn

from prk.models.model import Model
from prk.models.zoo._images import convolved, images

# Channels and stride of each pair.
PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def build() -> nn.Module:
    layers, inside = convolved(3, 32, 3, 2), 32
    for outside, stride in PAIRS:
        layers += [*convolved(inside, inside, 3, stride, inside), *convolved(inside, outside, 1)]
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 1000))


MODEL = Model(
    title="MobileNet-v1 (Howard et al., 2017), width 1, 224 x 224",
    build=build,
    inputs=images,
    parameters="4231976",
)
