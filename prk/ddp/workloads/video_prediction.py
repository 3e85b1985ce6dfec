"""Video prediction: where digits that move and bounce will be, by a convolutional LSTM."""

from typing import ClassVar

import numpy as np

from prk.ddp import scenes, workload
from prk.metric import Metric

# Points a side of a frame, of a digit, of the pieces that a frame is cut into; frames given, and predicted.
SIDE, DIGIT, PIECE, GIVEN, PREDICTED = 24, 10, 4, 5, 5
MOVING, TRAINED, TESTED = 2, 4096, 256
CHANNELS = 32


class Workload(workload.Workload):
    """Two of scikit-learn's digits, 10 points large, in 24 x 24 (after Shi et al., Moving MNIST, 2015)."""

    title: ClassVar[str] = "video prediction, convolutional LSTM"
    source: ClassVar[str] = workload.GENERATED
    aibench: ClassVar[str] = "C11"
    quality: ClassVar[Metric | None] = Metric("frame error", "points", larger_is_better=False, kind="quality")
    target: ClassVar[float | None] = 25.0
    usual: ClassVar[str] = "--epochs 6 --batch 32 --learning-rate 0.004"
    runs: ClassVar[int] = 5
    imports: ClassVar[tuple[str, ...]] = ("sklearn.datasets",)

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, PREDICTED * SIDE * SIDE

    def weights(self, problem):
        points = PIECE * PIECE
        return [9 * (points + CHANNELS) * 4 * CHANNELS, 4 * CHANNELS, CHANNELS * points, points]

    def memory(self, problem):
        return 2 * 4 * (TRAINED + TESTED) * (GIVEN + PREDICTED) * SIDE * SIDE

    def data(self, problem):
        trained, tested = films(TRAINED, False), films(TESTED, True)
        return (trained,), (tested[:, :GIVEN], tested[:, GIVEN:])

    def identity(self, samples):
        return samples[0][:, :GIVEN]

    def model(self, problem):
        from prk.ddp.blocks import Foreteller

        return Foreteller(PIECE, CHANNELS, PREDICTED)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def loss(self, forward, batch):
        from torch.nn import functional

        (film,) = batch
        found = forward(film[:, :GIVEN])
        return functional.binary_cross_entropy_with_logits(found, film[:, GIVEN:])

    def answer(self, forward, tested):
        return forward(tested[0]).flatten(1)

    def judge(self, forward, tested):
        after = tested[1]
        found = self.answer(forward, tested).reshape(after.shape).sigmoid()
        return np.array([float(((found - after) ** 2).double().sum()), after.shape[0] * PREDICTED])


def films(count: int, tested: bool) -> np.ndarray:
    """Return films, count x frames x points x points, of digits that bounce off the sides."""
    images, _ = scenes.digits(tested)
    images = np.stack([scenes.enlarged(image, DIGIT) for image in images])
    draw = np.random.default_rng(4 + tested)
    found = np.zeros((count, GIVEN + PREDICTED, SIDE, SIDE), np.float32)
    room = SIDE - DIGIT
    starts, ways = draw.uniform(0, room, (count, MOVING, 2)), draw.uniform(-3, 3, (count, MOVING, 2))
    which = draw.integers(0, len(images), (count, MOVING))
    for frame in range(GIVEN + PREDICTED):
        # What would leave on one side comes back from it.
        beyond = np.mod(starts + frame * ways, 2 * room)
        places = np.rint(np.minimum(beyond, 2 * room - beyond)).astype(int)
        for film, own, digits in zip(found[:, frame], places, which, strict=True):
            for (left, top), digit in zip(own, digits, strict=True):
                part = film[top : top + DIGIT, left : left + DIGIT]
                np.maximum(part, images[digit], out=part)
    return found
