"""Gradient descent whose momentum holds the learning rate inside: v = m v + lr g, w -= v.

torch.optim.SGD has it outside: v = m v + g, w -= lr v. Both are one as long as the learning rate stays.
"""

from typing import Any

import torch


class Inside(torch.optim.Optimizer):
    """What a step adds to the momentum keeps the learning rate that the step had."""

    def __init__(self, weights: Any, learning_rate: float, momentum: float):
        super().__init__(weights, {"lr": learning_rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                state["momentum_buffer"].mul_(group["momentum"]).add_(weight.grad, alpha=group["lr"])
                weight.sub_(state["momentum_buffer"])
