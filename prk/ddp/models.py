"""The models, their first weights drawn by NumPy so that they do not depend on a library's version."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from prk.ddp import data
from prk.ddp.problem import Ddp

MOMENTUM = 0.9


class Residual(nn.Module):
    """Two convolutions and a way past them; group norm, whose result does not depend on the ranks."""

    def __init__(self, inside: int, outside: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.GroupNorm(8, outside),
        )
        past = nn.Conv2d(inside, outside, 1, stride, bias=False)
        self.past = past if inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.past(x))


def model(problem: Ddp) -> nn.Module:
    """Return the workload's model with its first weights, equal on all ranks."""
    layers: list[nn.Module]
    if problem.workload == "digits":
        layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)]
    elif problem.workload == "fashion-mnist":
        stem = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        blocks = [Residual(16, 32, 2), Residual(32, 64, 2), Residual(64, 64, 1)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
        layers = [stem, nn.GroupNorm(8, 16), nn.ReLU(), *blocks, *head]
    else:
        linear = [nn.Linear(a, b, bias=False) for a, b in pairwise(problem.shape)]
        layers = [layer for one in linear for layer in (one, nn.ReLU())][:-1]  # type: ignore[assignment]
    made = nn.Sequential(*layers)
    draw = np.random.default_rng(problem.seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.dim() > 1:
                spread = np.sqrt(2 / np.prod(weight.shape[1:]))
                drawn = draw.standard_normal(tuple(weight.shape)) * spread
                weight.copy_(torch.from_numpy(drawn.astype(np.float32)))
            else:
                weight.fill_(1.0 if name.endswith("weight") else 0.0)
    return made


def tensors(problem: Ddp) -> tuple[torch.Tensor, ...]:
    """Return training inputs and labels, test inputs and labels; the synthetic workload tests nothing."""
    if problem.workload == "synthetic":
        draw = np.random.default_rng(problem.seed)
        # One batch, used in every step: only the sizes matter.
        inputs = draw.standard_normal((problem.batch, problem.shape[0])).astype(np.float32)
        labels = draw.integers(0, problem.shape[-1], problem.batch)
        arrays: tuple[Any, ...] = (inputs, labels, inputs[:0], labels[:0])
    else:
        arrays = data.digits() if problem.workload == "digits" else data.fashion(problem.data)
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)


def optimizer(problem: Ddp, weights: Iterable[torch.Tensor]) -> torch.optim.SGD:
    """Return what changes the weights in each step."""
    return torch.optim.SGD(weights, problem.learning_rate, MOMENTUM)


def set_learning_rate(optimizer: torch.optim.SGD, problem: Ddp, step: int) -> None:
    """Give a step its learning rate: up in the first tenth of the run, down to zero by its end."""
    part = (step + 1) / problem.repetitions
    for group in optimizer.param_groups:
        group["lr"] = problem.learning_rate * min(10 * part, (1.0 - part) / 0.9 + 1e-3)
