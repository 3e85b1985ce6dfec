"""Handwritten digits, recognised by two layers: small enough to be trained to its target in seconds."""

from typing import ClassVar

import numpy as np

from prk.ddp import workload

TRAINED, TESTED = 1437, 360
SHAPE = (64, 128, 10)


class Workload(workload.Workload):
    """scikit-learn's 1797 digits of 8 x 8 points."""

    title: ClassVar[str] = "digit recognition, two layers"
    target: ClassVar[float | None] = 0.95
    usual: ClassVar[str] = "--epochs 10"
    runs: ClassVar[int] = 5
    imports: ClassVar[tuple[str, ...]] = ("sklearn.datasets",)
    instant: ClassVar[bool] = True

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, SHAPE[-1]

    def weights(self, problem):
        inputs, hidden, outputs = SHAPE
        return [inputs * hidden, hidden, hidden * outputs, outputs]

    def flop(self, problem):
        return workload.linear_flop(problem.batch, SHAPE)

    def memory(self, problem):
        return 1 << 20

    def data(self, problem):
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(labels))
        images, labels = (images[order] / 16).astype(np.float32), labels[order]
        return (images[:TRAINED], labels[:TRAINED]), (images[TRAINED:], labels[TRAINED:])

    def model(self, problem):
        from torch import nn

        inputs, hidden, outputs = SHAPE
        return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
