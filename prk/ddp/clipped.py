"""RMSprop of two adversaries: the second learns faster, and its weights stay within bounds."""

from typing import Any

import torch


class Clipped(torch.optim.RMSprop):
    """What keeps a critic's slope bounded, as Arjovsky et al. (2017) train it."""

    def __init__(self, weights: Any, learning_rate: float, first: int, most: float, faster: float):
        """Let the first so many weights learn `faster` times slower; keep the others from -most to most."""
        weights = list(weights)
        slow = {"params": weights[:first], "part": 1 / faster, "most": None}
        fast = {"params": weights[first:], "part": 1.0, "most": most}
        super().__init__([slow, fast], learning_rate)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] *= group["part"]
        super().step()
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
            for weight in group["params"] if group["most"] else ():
                weight.clamp_(-group["most"], group["most"])
