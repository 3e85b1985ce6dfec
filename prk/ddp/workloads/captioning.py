"""Captions of scenes: which digits there are, how large, and how they lie, by a CNN that an LSTM reads."""

from typing import ClassVar

import numpy as np

from prk.ddp import scenes, sequences, workload
from prk.ddp.descriptions import BEGIN, END, NOTHING
from prk.metric import Metric

SIDE, SIZES, MOST = 32, (9, 15), 2
TRAINED, TESTED = 4096, 256
# A digit is large from so many points on.
LARGE = 12
# Words are numbered from here: ten digits, two words for large and two for small, four for how they lie.
FIRST = END + 1
DIGITS, LARGER, SMALLER, LIE = FIRST, FIRST + 10, FIRST + 12, FIRST + 14
VOCABULARY = LIE + 4
# Begin, size, digit, how they lie, size, digit, end.
LENGTH = 7
CHANNELS, WIDTH = (16, 48), 64


class Workload(workload.Workload):
    """One or two of scikit-learn's digits in 32 x 32, and a sentence (after Vinyals et al., NIC, 2015)."""

    title: ClassVar[str] = "image captioning, CNN and LSTM"
    source: ClassVar[str] = workload.GENERATED
    aibench: ClassVar[str] = "C4"
    quality: ClassVar[Metric | None] = Metric("perplexity", "words", larger_is_better=False, kind="quality")
    target: ClassVar[float | None] = 2.2
    usual: ClassVar[str] = "--epochs 14 --batch 32 --learning-rate 0.005"
    imports: ClassVar[tuple[str, ...]] = ("sklearn.datasets",)

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, (LENGTH - 1) * VOCABULARY

    def weights(self, problem):
        a, b = CHANNELS
        look = [9 * a, a, a, 9 * a * b, b, b, 9 * b * b, b, b, b * 16 * WIDTH, WIDTH]
        return [
            *look,
            VOCABULARY * WIDTH,
            *sequences.cell_weights(4, WIDTH, WIDTH),
            WIDTH * VOCABULARY,
            VOCABULARY,
        ]

    def memory(self, problem):
        return 8 * (TRAINED + TESTED) * (SIDE * SIDE + LENGTH)

    def data(self, problem):
        return tuple(captioned(n, tested) for n, tested in ((TRAINED, False), (TESTED, True)))

    def model(self, problem):
        from prk.ddp.blocks import Captioner

        return Captioner(CHANNELS, WIDTH, VOCABULARY)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def loss(self, forward, batch):
        return sequences.token_loss(forward, *batch)

    def answer(self, forward, tested):
        images, captions = tested
        return forward(images, captions[:, :-1]).flatten(1)

    def judge(self, forward, tested):
        from torch.nn import functional

        after = tested[1][:, 1:]
        found = self.answer(forward, tested).reshape(-1, VOCABULARY)
        lost = functional.cross_entropy(found, after.flatten(), ignore_index=NOTHING, reduction="sum")
        return np.array([float(lost), int((after != NOTHING).sum())])

    def judged(self, sums):
        return sequences.perplexity(sums)


def captioned(count: int, tested: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return scenes and their captions, of several that would be right one drawn."""
    images, boxes, labels = scenes.composed(count, SIDE, SIZES, MOST, tested)
    draw = np.random.default_rng(6 + tested)
    captions = np.full((count, LENGTH), NOTHING)
    for caption, own, named in zip(captions, boxes, labels, strict=True):
        words, there = [BEGIN], draw.permutation(np.flatnonzero(named >= 0))
        for number, place in enumerate(there):
            left, top, right, _ = own[place]
            if number:
                away = own[there[0], :2] - (left, top)
                across = abs(away[0]) >= abs(away[1])
                words.append(LIE + 2 * int(not across) + int(away[0 if across else 1] > 0))
            size = LARGER if right - left >= LARGE else SMALLER
            words += [size + int(draw.integers(2)), DIGITS + int(named[place])]
        words.append(END)
        caption[: len(words)] = words
    return images, captions
