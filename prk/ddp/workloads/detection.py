"""Detection: which digits are in a scene, and where, by a network that looks once."""

from typing import ClassVar

import numpy as np

from prk.ddp import scenes, scores, workload
from prk.ddp.scenes import CLASSES
from prk.metric import Metric

SIDE, SIZES, MOST = 48, (12, 20), 3
TRAINED, TESTED = 4096, 256
# Points between two places where a digit may be looked for, and the sides of the boxes looked for there.
STRIDE, BOXES = 4, (12, 16, 20)
CHANNELS = (16, 32, 64)
# Overlaps from which a box is one, and below which it is none; of two found, from which only one counts.
IS, IS_NOT, SAME = 0.5, 0.4, 0.45
# What a box's distances are divided by (the usual variances); boxes found at most, and their least score.
SCALES = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
FOUND, LEAST = 10, 0.05


class Workload(workload.Workload):
    """One to three of scikit-learn's digits, 12 to 20 points large, in 48 x 48 (a small SSD)."""

    title: ClassVar[str] = "detection, single shot"
    source: ClassVar[str] = workload.GENERATED
    aibench: ClassVar[str] = "C9"
    mlperf: ClassVar[str] = "ssd"
    quality: ClassVar[Metric | None] = Metric("mAP", "share", kind="quality")
    target: ClassVar[float | None] = 0.9
    usual: ClassVar[str] = "--epochs 8 --batch 32 --learning-rate 0.004"
    runs: ClassVar[int] = 5
    imports: ClassVar[tuple[str, ...]] = ("sklearn.datasets",)

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, len(priors()) * (CLASSES + 5)

    def weights(self, problem):
        found, inside = [], 1
        for outside in CHANNELS:
            found += [9 * inside * outside, outside, outside]
            inside = outside
        last = len(BOXES) * (CLASSES + 5)
        return [*found, 9 * inside * inside, inside, inside, inside * last, last]

    def memory(self, problem):
        return 4 * (TRAINED + TESTED) * (SIDE * SIDE + 5 * MOST + 5 * len(priors()))

    def data(self, problem):
        trained, tested = (
            scenes.composed(n, SIDE, SIZES, MOST, t) for n, t in ((TRAINED, False), (TESTED, True))
        )
        images, boxes, labels = trained
        wanted = [matched(*one) for one in zip(boxes, labels, strict=True)]
        return (images, np.stack([w[0] for w in wanted]), np.stack([w[1] for w in wanted])), tested

    def model(self, problem):
        from prk.ddp.blocks import SingleShot

        return SingleShot(CHANNELS, len(BOXES), CLASSES + 5)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def loss(self, forward, batch):
        import torch
        from torch.nn import functional

        images, apart, labels = batch
        found = forward(images)
        right = labels > 0
        named = functional.cross_entropy(
            found[..., 4:].flatten(0, 1), labels.flatten(), reduction="none", ignore_index=-1
        ).view_as(labels)
        # Nearly all places show nothing, and are soon known to: focal loss (Lin et al., 2017).
        named = (1 - torch.exp(-named)) ** 2 * named
        placed = functional.smooth_l1_loss(found[..., :4], apart, reduction="none").sum(2) * right
        # A mean over boxes would not be the mean over equal shares, whose boxes are not as many.
        return (named + placed).sum(1).mean() / MOST

    def answer(self, forward, tested):
        return forward(tested[0]).flatten(1)

    def judge(self, forward, tested):
        answers = self.answer(forward, tested).reshape(len(tested[0]), -1, CLASSES + 5).numpy()
        counts = np.zeros(CLASSES * 2 * (scores.STEPS + 1))
        for answer, boxes, labels in zip(answers, *(known.numpy() for known in tested[1:]), strict=True):
            there = labels >= 0
            counts += scores.detection_counts(*detected(answer), (boxes[there], labels[there]), CLASSES)
        return counts

    def judged(self, sums):
        return scores.average_precision(sums, CLASSES)


def priors() -> np.ndarray:
    """Return the boxes that are looked for, as the model has them: left, top, right, bottom."""
    places = np.arange(STRIDE // 2, SIDE, STRIDE, dtype=np.float32)
    x, y, side = np.broadcast_arrays(places[None, :, None], places[:, None, None], np.array(BOXES) / 2)
    return np.stack([x - side, y - side, x + side, y + side], axis=3).reshape(-1, 4).astype(np.float32)


def centred(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes' middles and sizes."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2, np.maximum(boxes[..., 2:] - boxes[..., :2], 1e-3)


def matched(boxes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each box looked for how far it is from a digit's, and its label from 1; 0: none; -1: either.

    Each digit's best box is its, however little they overlap.
    """
    looked = priors()
    boxes, labels = boxes[labels >= 0], labels[labels >= 0]
    shared = scenes.overlaps(looked, boxes)
    shared[shared.argmax(0), np.arange(len(boxes))] = 2
    which, most = shared.argmax(1), shared.max(1)
    (middles, sizes), (own, sides) = centred(boxes[which]), centred(looked)
    apart = np.concatenate([(middles - own) / sides, np.log(sizes / sides)], axis=1) / SCALES
    named = np.where(most >= IS, labels[which] + 1, np.where(most < IS_NOT, 0, -1))
    return apart.astype(np.float32), named.astype(np.int64)


def detected(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the boxes, scores and labels that a sample's answers say, the same digit not found twice.

    answers: boxes looked for x (4 distances, none, classes).
    """
    own, sides = centred(priors())
    apart = answers[:, :4] * SCALES
    middles, sizes = own + apart[:, :2] * sides, sides * np.exp(np.clip(apart[:, 2:], -2, 2))
    boxes = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1)
    parts = np.exp(answers[:, 4:] - answers[:, 4:].max(1, keepdims=True))
    parts = (parts / parts.sum(1, keepdims=True))[:, 1:]
    place, label = np.nonzero(parts > LEAST)
    kept: list[int] = []
    score = parts[place, label]
    for number in np.argsort(-score, kind="stable"):
        same = [k for k in kept if label[k] == label[number]]
        if not same or scenes.overlaps(boxes[place[[number]]], boxes[place[same]]).max() < SAME:
            kept.append(int(number))
        if len(kept) == FOUND:
            break
    return boxes[place[kept]], score[kept], label[kept]
