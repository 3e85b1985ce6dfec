"""Face embedding, a proxy: are two images of one kind, of a kind never seen in training? By triplet loss."""

from typing import ClassVar

import numpy as np

from prk.ddp import draws, scenes, workload
from prk.metric import Metric

# Digits that stand for people: those to train with, and those to test with. Of four choices tried
# these were told apart best.
KNOWN, STRANGERS = (1, 2, 3, 4, 5, 8, 9), (0, 6, 7)
# Images of known digits to train with, and pairs to test with, half of them of one digit.
TRAINED, TESTED = 960, 400
WIDTHS = (64, 128, 32)
# By how much the other digit has to be farther away.
MARGIN = 0.6


class Workload(workload.Workload):
    """scikit-learn's digits instead of faces, three of them left for the test (for Schroff et al., 2015)."""

    title: ClassVar[str] = "face embedding, triplets of digits"
    source: ClassVar[str] = workload.PROXY
    aibench: ClassVar[str] = "C7"
    quality: ClassVar[Metric | None] = Metric("pairs told apart", "share", kind="quality")
    target: ClassVar[float | None] = 0.75
    usual: ClassVar[str] = "--epochs 10 --batch 32 --learning-rate 0.002"
    runs: ClassVar[int] = 5
    imports: ClassVar[tuple[str, ...]] = ("sklearn.datasets",)

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, 2 * WIDTHS[-1]

    def weights(self, problem):
        first, inside, last = WIDTHS
        return [first * inside, inside, inside * last, last]

    def flop(self, problem):
        return workload.linear_flop(3 * problem.batch, WIDTHS)

    def memory(self, problem):
        return 1 << 20

    def data(self, problem):
        parts = [scenes.digits(tested) for tested in (False, True)]
        images, labels = (np.concatenate(known) for known in zip(*parts, strict=True))
        images = images.reshape(len(images), -1)
        train = np.flatnonzero(np.isin(labels, KNOWN))[:TRAINED]
        strange = [np.flatnonzero(labels == one) for one in STRANGERS]
        draw, pairs = np.random.default_rng(8), []
        for number in range(TESTED):
            one, other = draw.permutation(len(STRANGERS))[:2]
            pairs.append(
                [*draw.permutation(strange[one])[:2]]
                if number % 2
                else [draw.choice(strange[one]), draw.choice(strange[other])]
            )
        same = np.arange(TESTED) % 2 == 1
        return (images[train], labels[train]), (images[np.array(pairs)], same)

    def identity(self, samples):
        # A test sample is two images.
        return samples[0].reshape(-1, WIDTHS[0])

    def model(self, problem):
        from prk.ddp.blocks import layered

        return layered(WIDTHS)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        import torch

        images, labels = data
        triplets = tripled(labels.numpy(), chosen, draws.uniform(problem.seed, step, chosen, 2))
        return (images[torch.from_numpy(triplets)],)

    def loss(self, forward, batch):
        # One pass through the model: images of all triplets at once.
        near, other = apart(forward(batch[0].flatten(0, 1)).unflatten(0, (-1, 3)))
        return (near - other + MARGIN).relu().mean()

    def answer(self, forward, tested):
        return forward(tested[0].flatten(0, 1)).reshape(len(tested[0]), -1)

    def judge(self, forward, tested):
        pairs = self.answer(forward, tested).unflatten(1, (2, -1))
        (distance,) = apart(pairs)
        right = (distance < 1) == tested[1]
        return np.array([float(right.sum()), len(right)])


def tripled(labels: np.ndarray, samples: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return each sample with one of its kind and one of another, by two numbers from 0 to 1: samples x 3."""
    order = np.argsort(labels, kind="stable")
    first, end = (np.searchsorted(labels[order], labels[samples], side) for side in ("left", "right"))
    own = first + (drawn[:, 0] * (end - first)).astype(int)
    other = (drawn[:, 1] * (len(labels) - (end - first))).astype(int)
    other += np.where(other < first, 0, end - first)
    return np.stack([samples, order[own], order[other]], axis=1)


def apart(points):
    """Return the square distances, on the unit sphere, of the first point of each row from its others."""
    from torch.nn.functional import normalize

    first, *others = normalize(points, dim=2).unbind(1)
    return [((first - other) ** 2).sum(1) for other in others]
