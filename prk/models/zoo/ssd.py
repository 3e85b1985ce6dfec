"""SSD300 on VGG-16: boxes and classes from six layers of smaller and smaller images."""

import torch
from torch import nn
from torch.nn import functional

from prk.models.model import Model, Published
from prk.models.zoo._images import images

# VGG-16's channels; a pooling before each group but the first.
VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Of each later layer: channels between, channels, stride and frame of the 3 x 3.
EXTRAS = ((256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0))
CLASSES, ANCHORS = 91, (4, 6, 6, 6, 4, 4)


def convolved(inside: int, outside: int, size: int, stride: int = 1, frame: int = 0, dilation: int = 1):
    return [nn.Conv2d(inside, outside, size, stride, frame, dilation), nn.ReLU()]


class Ssd(nn.Module):
    """The layers one after the other, each with what it says of boxes and classes."""

    def __init__(self) -> None:
        super().__init__()
        layers, groups, inside = [], [], 3
        for number, channels in enumerate(VGG):
            if number:
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=number == 3))
            for outside in channels:
                layers += convolved(inside, outside, 3, 1, 1)
                inside = outside
            if number == 3:
                groups.append(nn.Sequential(*layers))
                layers = []
        layers += [nn.MaxPool2d(3, 1, 1), *convolved(512, 1024, 3, 1, 6, 6), *convolved(1024, 1024, 1)]
        groups.append(nn.Sequential(*layers))
        inside = 1024
        for between, outside, stride, frame in EXTRAS:
            last = convolved(between, outside, 3, stride, frame)
            groups.append(nn.Sequential(*convolved(inside, between, 1), *last))
            inside = outside
        self.groups, self.scale = nn.ModuleList(groups), nn.Parameter(torch.ones(512))
        seen = (512, 1024, *(e[1] for e in EXTRAS))
        self.heads = nn.ModuleList(
            nn.Conv2d(c, a * (CLASSES + 4), 3, 1, 1) for c, a in zip(seen, ANCHORS, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = []
        for number, (group, head) in enumerate(zip(self.groups, self.heads, strict=True)):
            x = group(x)
            seen = functional.normalize(x) * self.scale[:, None, None] if number == 0 else x
            found.append(head(seen).permute(0, 2, 3, 1).reshape(len(x), -1, CLASSES + 4))
        return torch.cat(found, 1)


MODEL = Model(
    title="SSD300 on VGG-16 (Liu et al., 2016), 300 x 300, 91 classes",
    build=Ssd,
    inputs=lambda batch: images(batch, 300),
    parameters="35641826",
    published=Published(16, 1.13e12, 2.69e10, 42, 0.250),
    note="theirs is 1.01 of our flop",
)
