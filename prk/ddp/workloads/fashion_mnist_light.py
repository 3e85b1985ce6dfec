"""Fashion-MNIST once more, recognised by a network of a twentieth of the operations, as MobileNet is made."""

from typing import ClassVar

from prk.ddp.workloads import fashion_mnist
from prk.ddp.workloads.fashion_mnist import CLASSES

# Channels of the stem, which halves the image, and of each block with its stride.
STEM = 16
BLOCKS = ((32, 1), (64, 2), (64, 1))


class Workload(fashion_mnist.Workload):
    """The same images, by convolutions of each channel alone and of each point alone."""

    title: ClassVar[str] = "image classification, light network"
    aibench: ClassVar[str] = ""
    mlperf: ClassVar[str] = "mobilenet"
    target: ClassVar[float | None] = 0.87
    usual: ClassVar[str] = "--epochs 6 --batch 64 --learning-rate 0.01"
    kept: ClassVar[float] = 0.98

    def weights(self, problem):
        found, inside = [9 * STEM, STEM, STEM], STEM
        for outside, _ in BLOCKS:
            found += [9 * inside, inside, inside, inside * outside, outside, outside]
            inside = outside
        return [*found, inside * CLASSES, CLASSES]

    def model(self, problem):
        from torch import nn

        from prk.ddp.blocks import Separable

        layers, inside = [nn.Conv2d(1, STEM, 3, 2, 1, bias=False), nn.GroupNorm(8, STEM), nn.ReLU()], STEM
        for outside, stride in BLOCKS:
            layers.append(Separable(inside, outside, stride))
            inside = outside
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, CLASSES))
