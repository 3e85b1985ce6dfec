"""Scenes composed of scikit-learn's handwritten digits: which ones, where, how large, drawn by a seed."""

import numpy as np

CLASSES = 10
# Digits of which none is in both parts.
TRAINED = 1400


def digits(tested: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return images of 8 x 8 points from 0 to 1, and their labels, to train with or to test with."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    part = order[TRAINED:] if tested else order[:TRAINED]
    return (images[part].reshape(-1, 8, 8) / 16).astype(np.float32), labels[part].astype(np.int64)


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """Return a square image as so many points a side, interpolated in both directions."""
    places = np.clip((np.arange(side) + 0.5) * len(image) / side - 0.5, 0, len(image) - 1)
    low = np.minimum(places.astype(int), len(image) - 2)
    part = (places - low).astype(np.float32)
    rows = image[low] * (1 - part)[:, None] + image[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


def composed(
    count: int, side: int, sizes: tuple[int, int], most: int, tested: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (n x 1 x side x side), boxes (n x most x 4: left, top, right, bottom), and labels.

    One to `most` digits, from sizes[0] to sizes[1] points a side, that overlap little. A label of -1: no box.
    """
    images, labels = digits(tested)
    draw = np.random.default_rng(2 + tested)
    scenes = np.zeros((count, 1, side, side), np.float32)
    boxes, found = np.zeros((count, most, 4), np.float32), np.full((count, most), -1)
    for scene, own, named in zip(scenes, boxes, found, strict=True):
        for place in range(draw.integers(1, most + 1)):
            size, which = draw.integers(sizes[0], sizes[1] + 1), draw.integers(len(labels))
            left, top = draw.integers(0, side - size + 1, 2)
            box = np.array([left, top, left + size, top + size], np.float32)
            if place and overlaps(box[None], own[:place]).max() > 0.1:
                continue
            part = scene[0, top : top + size, left : left + size]
            np.maximum(part, enlarged(images[which], int(size)), out=part)
            own[place], named[place] = box, labels[which]
        scene += draw.standard_normal(scene.shape, np.float32) * 0.05
    return scenes, boxes, found


def overlaps(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the overlap of each of some boxes with each of others: intersection / union."""
    start = np.maximum(some[:, None, :2], others[None, :, :2])
    stop = np.minimum(some[:, None, 2:], others[None, :, 2:])
    common = np.clip(stop - start, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (some, others)]
    return common / np.maximum(areas[0][:, None] + areas[1] - common, 1e-9)
