"""A workload's model, data and optimizer as every rank begins with them."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from prk.ddp.problem import Ddp
from prk.ddp.workload import Tensors


def model(problem: Ddp) -> nn.Module:
    """Return the workload's model with its first weights, equal on all ranks.

    They are drawn by NumPy, so that they do not depend on a library's version.
    """
    made = problem.trains.model(problem)
    draw = np.random.default_rng(problem.seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.dim() > 1:
                drawn = draw.standard_normal(tuple(weight.shape)) * problem.trains.spread(name, weight.shape)
                weight.copy_(torch.from_numpy(drawn.astype(np.float32)))
            else:
                weight.fill_(1.0 if name.endswith("weight") else 0.0)
    return made


def tensors(problem: Ddp) -> tuple[Tensors, Tensors]:
    """Return the training data and the test data."""
    trained, tested = (
        tuple(torch.from_numpy(np.ascontiguousarray(known)) for known in part)
        for part in problem.trains.data(problem)
    )
    return trained, tested


def optimizer(problem: Ddp, weights: Iterable[torch.Tensor]) -> torch.optim.Optimizer:
    """Return what changes the weights in each step."""
    return problem.trains.optimizer(problem, weights)


def set_learning_rate(optimizer: torch.optim.Optimizer, problem: Ddp, step: int) -> None:
    """Give a step its learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = problem.trains.learning_rate(problem, step)
