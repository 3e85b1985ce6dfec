"""3D reconstruction from silhouettes, a proxy: which parts of a cube are filled, from three sides."""

from typing import ClassVar

import numpy as np

from prk.ddp import workload
from prk.metric import Metric

# Points a side of the cube, boxes and balls in it at most, and their half sizes.
SIDE, MOST, SIZES = 16, 3, (2, 5)
TRAINED, TESTED = 4096, 256
CHANNELS, CODE = (16, 32), 64


class Workload(workload.Workload):
    """Boxes and balls in a cube of 16 x 16 x 16, seen from three sides (for Choy et al., 3D-R2N2, 2016)."""

    title: ClassVar[str] = "3D reconstruction, silhouettes to a cube"
    source: ClassVar[str] = workload.PROXY
    aibench: ClassVar[str] = "C13"
    quality: ClassVar[Metric | None] = Metric("IoU", "share", kind="quality")
    target: ClassVar[float | None] = 0.74
    usual: ClassVar[str] = "--epochs 8 --batch 32 --learning-rate 0.004"
    runs: ClassVar[int] = 5

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, SIDE**3

    def weights(self, problem):
        a, b = CHANNELS
        look = [9 * 3 * a, a, a, 9 * a * b, b, b]
        return [*look, b * 16 * CODE, CODE, CODE * b * 64, b * 64, b * a * 64, a, a * 64, 1]

    def memory(self, problem):
        return 8 * (TRAINED + TESTED) * (SIDE**3 + 3 * SIDE * SIDE)

    def data(self, problem):
        return tuple(solids(*part) for part in ((TRAINED, 1), (TESTED, 2)))

    def model(self, problem):
        from prk.ddp.blocks import Sculptor

        return Sculptor(CHANNELS, CODE)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def loss(self, forward, batch):
        from torch.nn import functional

        seen, filled = batch
        return functional.binary_cross_entropy_with_logits(forward(seen), filled.float())

    def answer(self, forward, tested):
        return forward(tested[0]).flatten(1)

    def judge(self, forward, tested):
        filled = tested[1].bool()
        found = self.answer(forward, tested).reshape(filled.shape) > 0
        both, either = ((x.flatten(1)).sum(1) for x in (found & filled, found | filled))
        return np.array([float((both / either.clamp(min=1)).double().sum()), len(filled)])


def solids(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return silhouettes (count x 3 x side x side) and what is filled (count x side x side x side)."""
    draw = np.random.default_rng(seed)
    filled = np.zeros((count, SIDE, SIDE, SIDE), np.uint8)
    points = np.indices((SIDE, SIDE, SIDE)).transpose(1, 2, 3, 0)
    for one in filled:
        for _ in range(draw.integers(1, MOST + 1)):
            size = draw.integers(SIZES[0], SIZES[1] + 1, 3)
            middle = draw.integers(size, SIDE - size)
            apart = np.abs(points - middle) / size
            inside = apart.max(3) <= 1 if draw.integers(2) else (apart**2).sum(3) <= 1
            one[inside] = 1
    return np.stack([filled.max(axis) for axis in (1, 2, 3)], axis=1).astype(np.float32), filled
