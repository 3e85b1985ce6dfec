"""Linear layers of any size on one batch of random numbers: how fast a step is, and no quality."""

import math
import re
from itertools import pairwise
from typing import ClassVar

import numpy as np

from prk.ddp import workload
from prk.metric import Metric
from prk.problem import Refusal


def shape(problem):
    """Return the widths of the input and of each layer's output."""
    if problem.widths:
        return [int(width) for width in problem.widths.split(",")]
    return [math.isqrt(problem.weights // problem.layers)] * (problem.layers + 1)


class Workload(workload.Workload):
    """As many layers and weights as one asks for."""

    title: ClassVar[str] = "linear layers of any size"
    source: ClassVar[str] = workload.GENERATED
    quality: ClassVar[Metric | None] = None

    def samples(self, problem):
        # The same in every step: only their number matters.
        return problem.batch

    def weights(self, problem):
        return [a * b for a, b in pairwise(shape(problem))]

    def flop(self, problem):
        return workload.linear_flop(problem.batch, shape(problem))

    def memory(self, problem):
        return 4 * problem.batch * sum(shape(problem))

    def refuse(self, problem):
        if problem.epochs:
            raise Refusal("--epochs", f"{problem.epochs} epochs of {self.name}", "use --iterations")
        for option in ("layers", "weights"):
            if (value := getattr(problem, option)) < 1:
                raise Refusal(f"--{option}", f"{value} is too small", "use at least 1")
        if problem.weights < problem.layers:
            raise Refusal(
                "--weights", f"{problem.weights} are too few for {problem.layers} layers", "use more"
            )
        if problem.widths and not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)+", problem.widths):
            raise Refusal(
                "--widths", f"{problem.widths!r} is no list of widths", "use two or more, as 1024,10"
            )

    def data(self, problem):
        draw = np.random.default_rng(problem.seed)
        widths = shape(problem)
        inputs = draw.standard_normal((problem.batch, widths[0])).astype(np.float32)
        labels = draw.integers(0, widths[-1], problem.batch)
        return (inputs, labels), (inputs[:0], labels[:0])

    def model(self, problem):
        from torch import nn

        linear = [nn.Linear(a, b, bias=False) for a, b in pairwise(shape(problem))]
        return nn.Sequential(*[layer for one in linear for layer in (one, nn.ReLU())][:-1])
