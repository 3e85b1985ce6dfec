"""Fashion-MNIST, recognised by a small residual network."""

import gzip
import math
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np

from prk.ddp import workload
from prk.problem import Refusal

# Where Debian's package dataset-fashion-mnist puts the files.
FOLDER = "/usr/share/datasets/fashion-mnist"
FILES = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
# Channels of the stem, and of each block with its stride.
STEM = 16
BLOCKS = ((32, 2), (64, 2), (64, 1))
CLASSES = 10
# The part of a learning rate by which weights shrink.
DECAY = 0.1


class Workload(workload.Workload):
    """60,000 images of clothes, 28 x 28 points, in ten classes."""

    title: ClassVar[str] = "image classification, residual network"
    aibench: ClassVar[str] = "C1"
    mlperf: ClassVar[str] = "resnet"
    target: ClassVar[float | None] = 0.92
    usual: ClassVar[str] = "--epochs 6 --batch 64 --learning-rate 0.004"
    runs: ClassVar[int] = 5
    smoothed: ClassVar[float] = 0.05
    get: ClassVar[str] = "install Debian's dataset-fashion-mnist, or name the folder by --data"

    def samples(self, problem):
        return FILES["train-labels-idx1-ubyte"][0]

    def answers(self, problem):
        return FILES["t10k-labels-idx1-ubyte"][0], CLASSES

    def weights(self, problem):
        found, inside = [9 * STEM, STEM, STEM], STEM
        for outside, _ in BLOCKS:
            found += [9 * inside * outside, outside, outside, 9 * outside * outside, outside, outside]
            found += [inside * outside] if inside != outside else []
            inside = outside
        return [*found, inside * CLASSES, CLASSES]

    def memory(self, problem):
        return 220 << 20

    def refuse(self, problem):
        for name in FILES:
            self.read(Path(problem.data or FOLDER), name)

    def data(self, problem):
        folder = Path(problem.data or FOLDER)
        images, labels, test_images, test_labels = (self.read(folder, name) for name in FILES)
        scaled = [((x[:, None] / 255 - 0.286) / 0.353).astype(np.float32) for x in (images, test_images)]
        return (scaled[0], labels.astype(np.int64)), (scaled[1], test_labels.astype(np.int64))

    def read(self, folder: Path, name: str) -> np.ndarray:
        """Return the array in one of the files, plain or gzipped. Raises Refusal."""
        shape = FILES[name]
        found = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
        if found is None:
            raise Refusal("--data", f"{folder} has no {name} or {name}.gz", self.get)
        try:
            raw = found.read_bytes()
            raw = gzip.decompress(raw) if found.suffix == ".gz" else raw
        except (OSError, EOFError) as error:
            raise Refusal("--data", f"{found} cannot be read ({error})", self.get) from None
        header = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape)
        expected = len(header) + math.prod(shape)
        if len(raw) != expected or not raw.startswith(header):
            size = " x ".join(map(str, shape))
            raise Refusal("--data", f"{found} has {len(raw)} bytes, expected {expected} of {size}", self.get)
        return np.frombuffer(raw, np.uint8, offset=len(header)).reshape(shape)

    def model(self, problem):
        from torch import nn

        from prk.ddp.blocks import ChannelsLast, Residual

        layers, inside = [nn.Conv2d(1, STEM, 3, 1, 1, bias=False), nn.GroupNorm(8, STEM), nn.ReLU()], STEM
        layers.append(ChannelsLast())
        for outside, stride in BLOCKS:
            layers.append(Residual(inside, outside, stride))
            inside = outside
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, CLASSES))

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.AdamW(weights, problem.learning_rate, (0.9, 0.99), weight_decay=DECAY, fused=True)

    def batch(self, problem, data, chosen, step):
        import torch

        inputs, labels = super().batch(problem, data, chosen, step)
        # Mirror half of the images: which ones depends on sample and step.
        mirrored = torch.from_numpy((chosen * 31 + step) & 2 > 0)
        inputs[mirrored] = inputs[mirrored].flip(-1)
        return inputs, labels
