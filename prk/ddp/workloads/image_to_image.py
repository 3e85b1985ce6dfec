"""Image to image, a proxy: edges to clothes, with pairs, by a network that keeps the image's detail."""

from typing import ClassVar

import numpy as np

from prk.ddp import workload
from prk.ddp.workloads import fashion_mnist
from prk.metric import Metric

TRAINED, TESTED, SIDE = 6400, 512, 28
CHANNELS = (16, 32)
# How much brighter one side of an edge is.
EDGE = 0.15


class Workload(fashion_mnist.Workload):
    """Fashion-MNIST and where its brightness jumps (for Zhu et al., CycleGAN, 2017, which needs no pairs)."""

    title: ClassVar[str] = "image to image, edges to clothes"
    source: ClassVar[str] = workload.PROXY
    aibench: ClassVar[str] = "C5"
    mlperf: ClassVar[str] = ""
    quality: ClassVar[Metric | None] = Metric("mean error", "points", larger_is_better=False, kind="quality")
    target: ClassVar[float | None] = 0.09
    usual: ClassVar[str] = "--epochs 6 --batch 32 --learning-rate 0.004"

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, SIDE * SIDE

    def weights(self, problem):
        a, b = CHANNELS
        down = [9 * a, a, a, 9 * a * b, b, b, 9 * b * b, b, b]
        return [*down, b * a * 4, a, 9 * 2 * a * a, a, a, 9 * a, 1]

    def data(self, problem):
        (images, _), (tested, _) = super().data(problem)
        parts = [np.clip(x * 0.353 + 0.286, 0, 1) for x in (images[:TRAINED], tested[:TESTED])]
        return tuple((edges(part), part.astype(np.float32)) for part in parts)

    def model(self, problem):
        from prk.ddp.blocks import Painter

        return Painter(CHANNELS)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        return workload.Workload.batch(self, problem, data, chosen, step)

    def loss(self, forward, batch):
        drawn, painted = batch
        return (forward(drawn) - painted).abs().mean()

    def answer(self, forward, tested):
        return forward(tested[0]).flatten(1)

    def judge(self, forward, tested):
        found = self.answer(forward, tested).reshape(tested[1].shape)
        return np.array([float((found - tested[1]).abs().double().mean((1, 2, 3)).sum()), len(found)])


def edges(images: np.ndarray) -> np.ndarray:
    """Return 1 where an image is much brighter or darker than to the right or below, 0 elsewhere."""
    across = np.abs(np.diff(images, axis=3, append=images[..., -1:]))
    down = np.abs(np.diff(images, axis=2, append=images[..., -1:, :]))
    return (np.maximum(across, down) > EDGE).astype(np.float32)
