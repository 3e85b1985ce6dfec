"""NCF, which is NeuMF: a product of factors beside layers on other factors, of MovieLens' 20 million."""

from itertools import pairwise

import torch
from torch import nn

from prk.models.model import Input, Model, Published

USERS, ITEMS = 138_493, 26_744
FACTORS, WIDTHS = 64, (256, 256, 128, 64)


class NeuMF(nn.Module):
    """Users and items to scores."""

    def __init__(self) -> None:
        super().__init__()
        half = WIDTHS[0] // 2
        self.factors = nn.ModuleList([nn.Embedding(n, FACTORS) for n in (USERS, ITEMS)])
        self.others = nn.ModuleList([nn.Embedding(n, half) for n in (USERS, ITEMS)])
        self.layers = nn.Sequential(*(m for a, b in pairwise(WIDTHS) for m in (nn.Linear(a, b), nn.ReLU())))
        self.last = nn.Linear(FACTORS + WIDTHS[-1], 1)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        product = self.factors[0](users) * self.factors[1](items)
        deep = self.layers(torch.cat([self.others[0](users), self.others[1](items)], 1))
        return self.last(torch.cat([product, deep], 1))


MODEL = Model(
    title="NCF (He et al., 2017), MLPerf's, of ml-20m",
    build=NeuMF,
    inputs=lambda batch: [Input((batch,), USERS), Input((batch,), ITEMS)],
    parameters="31832577",
    published=Published(256, 1.66e8, 3.34e6, 50, 0.001),
    note="theirs is 3.0 of our flop: forwards and backwards",
)
