"""Image compression: photographs as few bits, made better in several rounds by a recurrent network."""

import importlib.util
from pathlib import Path
from typing import ClassVar

import numpy as np

from prk.ddp import draws, workload
from prk.metric import Metric
from prk.problem import Refusal

# scikit-image's photographs: those to train with, and those to test with.
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "grass.png",
    "gravel.png",
    "ihc.png",
)
HELD = ("coffee.png", "rocket.jpg")
SIDE, TRAINED, TESTED = 48, 3200, 256
# Of the network: points a side for one place, channels, bits a place and round, rounds.
STRIDE, CHANNELS, BITS, ROUNDS = 4, 32, 16, 3
PLACES = (SIDE // STRIDE) ** 2


class Workload(workload.Workload):
    """Pieces of 48 x 48 grey points, 3 bits a point (after Toderici et al., 2017)."""

    title: ClassVar[str] = "image compression, recurrent"
    aibench: ClassVar[str] = "C12"
    quality: ClassVar[Metric | None] = Metric("MS-SSIM", "share", kind="quality")
    target: ClassVar[float | None] = 0.85
    usual: ClassVar[str] = "--epochs 8 --batch 32 --learning-rate 0.004"
    runs: ClassVar[int] = 5
    imports: ClassVar[tuple[str, ...]] = ("PIL.Image",)
    get: ClassVar[str] = (
        "pip install pillow; pip install --no-deps scikit-image, which holds photographs, or name a folder "
        f"with {', '.join((*PHOTOGRAPHS, *HELD))} by --data"
    )

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, SIDE * SIDE

    def weights(self, problem):
        c, p = CHANNELS, STRIDE * STRIDE
        code = [9 * (p + c) * 3 * c, 3 * c, c * BITS, BITS]
        return [*code, 9 * (BITS + c) * 3 * c, 3 * c, c * p, p]

    def memory(self, problem):
        return (64 << 20) + 8 * (TRAINED + TESTED) * SIDE * SIDE

    def refuse(self, problem):
        if importlib.util.find_spec("PIL") is None:
            raise Refusal("--data", "pillow, which reads photographs, is not installed", self.get)
        for name in (*PHOTOGRAPHS, *HELD):
            self.file(problem, name)

    def file(self, problem, name: str) -> Path:
        """Return where a photograph is. Raises Refusal."""
        folder = Path(problem.data) if problem.data else workload.installed("skimage", "data")
        if folder is None or not (folder / name).is_file():
            missing = f"{folder or 'scikit-image, which is not installed,'} has no {name}"
            raise Refusal("--data", missing, self.get)
        return folder / name

    def data(self, problem):
        return tuple(
            (self.pieces(problem, names, count),) for names, count in ((PHOTOGRAPHS, TRAINED), (HELD, TESTED))
        )

    def pieces(self, problem, names, count) -> np.ndarray:
        """Return so many pieces of the photographs: count x 1 x side x side, from 0 to 1. Raises Refusal."""
        from PIL import Image

        draw, found = np.random.default_rng(0), []
        for number, name in enumerate(names):
            path = self.file(problem, name)
            try:
                with Image.open(path) as image:
                    # Half as large: neighbouring points differ more.
                    points = np.asarray(image.convert("L").reduce(2), np.float32) / 255
            except (OSError, ValueError) as error:
                raise Refusal("--data", f"{path} cannot be read ({error})", self.get) from None
            if min(points.shape) < SIDE:
                raise Refusal("--data", f"{path} is smaller than {2 * SIDE} points", self.get)
            for _ in range(number * count // len(names), (number + 1) * count // len(names)):
                top, left = (draw.integers(0, length - SIDE + 1) for length in points.shape)
                found.append(points[top : top + SIDE, left : left + SIDE])
        return np.stack(found)[:, None]

    def model(self, problem):
        from prk.ddp.blocks import Compressor

        return Compressor(STRIDE, CHANNELS, BITS, ROUNDS)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        import torch

        # In training bits are blurred, not cut: a gradient passes, and none hangs on how a sum was rounded.
        blur = 2 * draws.uniform(problem.seed, step, chosen, ROUNDS * BITS * PLACES) - 1
        shape = (len(chosen), ROUNDS, BITS, SIDE // STRIDE, SIDE // STRIDE)
        return *super().batch(problem, data, chosen, step), torch.from_numpy(blur.reshape(shape))

    def loss(self, forward, batch):
        images, blur = batch
        # What is still missing after each round.
        return (forward(images, blur) - images).abs().mean()

    def answer(self, forward, tested):
        return forward(tested[0]).flatten(1)

    def judge(self, forward, tested):
        from prk.ddp.similarity import ms_ssim

        images = tested[0]
        found = self.answer(forward, tested).reshape(images.shape).clamp(0, 1)
        return np.array([float(ms_ssim(found, images).double().sum()), len(images)])
