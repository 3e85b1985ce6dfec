"""Image generation: clothes out of noise, by a Wasserstein GAN of linear layers."""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from prk.ddp import draws, scores, workload
from prk.ddp.workloads import fashion_mnist
from prk.metric import Metric

TRAINED, TESTED, POINTS = 12800, 2000, 28 * 28
NOISE, WIDTH, LAYERS = 32, 128, 4
# Principal components of the images, by which drawn and real ones are compared.
COMPONENTS = 8
# The critic's weights stay below this, and it learns so many times as fast as the generator.
CLIP, FASTER = 0.03, 4.0


def widths() -> tuple[list[int], list[int]]:
    """Return the widths of the generator and of the critic, from input to output."""
    inside = [WIDTH] * (LAYERS - 1)
    return [NOISE, *inside, POINTS], [POINTS, *inside, 1]


def noise(seed: int, step: int, samples: np.ndarray) -> np.ndarray:
    """Return what images are drawn from: numbers from -1 to 1, samples x NOISE."""
    return 2 * draws.uniform(seed, step, samples, NOISE) - 1


class Workload(fashion_mnist.Workload):
    """Fashion-MNIST, by two networks of four layers (after Arjovsky et al., 2017)."""

    title: ClassVar[str] = "image generation, Wasserstein GAN"
    aibench: ClassVar[str] = "C2"
    mlperf: ClassVar[str] = ""
    quality: ClassVar[Metric | None] = Metric(
        "Frechet distance", "points", larger_is_better=False, kind="quality"
    )
    target: ClassVar[float | None] = 20.0
    usual: ClassVar[str] = "--epochs 24 --batch 128 --learning-rate 0.002"

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, POINTS

    def weights(self, problem):
        return [n for shape in widths() for a, b in pairwise(shape) for n in (a * b, b)]

    def memory(self, problem):
        return super().memory(problem) + 8 * POINTS * (TRAINED + POINTS)

    def data(self, problem):
        (images, _), (tested, _) = super().data(problem)
        images, tested = (self.unscaled(x) for x in (images[:TRAINED], tested[:TESTED]))
        # What real images differ by most.
        self.mean = images.mean(0)
        _, vectors = np.linalg.eigh(np.cov(images.T))
        self.components = vectors[:, -COMPONENTS:].astype(np.float32)
        return (images,), (noise(0, 0, np.arange(TESTED)), tested)

    def unscaled(self, images):
        """Return images as points from 0 to 1, a row each."""
        return np.clip(images.reshape(len(images), -1) * 0.353 + 0.286, 0, 1).astype(np.float32)

    def identity(self, samples):
        # What a test draws from comes first there.
        return samples[-1]

    def model(self, problem):
        from prk.ddp.blocks import Adversaries

        return Adversaries(*widths())

    def optimizer(self, problem, weights):
        from prk.ddp.clipped import Clipped

        return Clipped(weights, problem.learning_rate, 2 * LAYERS, CLIP, FASTER)

    def batch(self, problem, data, chosen, step):
        import torch

        (images,) = workload.Workload.batch(self, problem, data, chosen, step)
        return torch.from_numpy(noise(problem.seed, step, chosen)), images

    def loss(self, forward, batch):
        drawn, real = forward(*batch)
        # The critic makes it small, the generator large: the model has turned its gradient.
        return (drawn - real).mean()

    def answer(self, forward, tested):
        return forward(tested[0])

    def judge(self, forward, tested):
        found = [
            (np.asarray(images, float) - self.mean) @ self.components
            for images in (self.answer(forward, tested), tested[1])
        ]
        return np.concatenate([scores.moments(one) for one in found])

    def judged(self, sums):
        drawn, real = np.split(np.asarray(sums), 2)
        return scores.frechet(drawn, real)
