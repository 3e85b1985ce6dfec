"""ViT-B/16: a transformer that reads patches of an image."""

import torch
from torch import nn

from prk.models.model import Model
from prk.models.zoo._images import images
from prk.models.zoo._transformer import Layer

SIDE, PATCH, WIDTH, HEADS, LAYERS = 224, 16, 768, 12, 12


class Vit(nn.Module):
    """Images to scores of classes, by a patch more that stands for all."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.all = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.places = nn.Parameter(torch.zeros(1, (SIDE // PATCH) ** 2 + 1, WIDTH))
        self.layers = nn.Sequential(*(Layer(WIDTH, HEADS, True, 1e-6) for _ in range(LAYERS)))
        self.norm, self.score = nn.LayerNorm(WIDTH, 1e-6), nn.Linear(WIDTH, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.all.expand(len(x), -1, -1), x], 1) + self.places
        return self.score(self.norm(self.layers(x))[:, 0])


MODEL = Model(
    title="ViT-B/16 (Dosovitskiy et al., 2021), 224 x 224",
    build=Vit,
    inputs=images,
    parameters="86567656",
)
