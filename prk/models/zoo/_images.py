"""What networks of images share: their input, and convolution with batch norm."""

from torch import nn

from prk.models.model import Input


def images(batch: int, side: int = 224) -> list[Input]:
    """Return a batch of colour images."""
    return [Input((batch, 3, side, side))]


def convolved(inside: int, outside: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return convolution, batch norm and ReLU; a frame keeps the image as large as it was."""
    convolution = nn.Conv2d(inside, outside, size, stride, size // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outside), nn.ReLU()]
