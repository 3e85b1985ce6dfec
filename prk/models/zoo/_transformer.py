"""What transformers share: a layer of attention and two linear ones, normed after or before each."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class Layer(nn.Module):
    """Attention of `heads` heads and a wide layer, each with a way past it."""

    def __init__(self, width: int, heads: int, before: bool, epsilon: float):
        super().__init__()
        self.heads, self.before = heads, before
        self.gathered, self.told = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width, epsilon) for _ in range(2)])

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.gathered(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(*parts.unbind(0))
        return self.told(seen.transpose(1, 2).flatten(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (self.attend, self.wide)
        for part, norm in zip(parts, self.norms, strict=True):
            x = x + part(norm(x)) if self.before else norm(x + part(x))
        return x
