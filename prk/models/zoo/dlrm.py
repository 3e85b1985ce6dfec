"""DLRM with the tables of Criteo's Kaggle data: most of it is memory."""

from itertools import pairwise

import torch
from torch import nn

from prk.models.model import Input, Model

ROWS = (
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306, 10,
    5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572,
)  # fmt: skip
NUMBERS, FACTORS = 13, 16
BOTTOM, TOP = (NUMBERS, 512, 256, 64, FACTORS), (512, 256, 1)


def layers(widths: tuple[int, ...]) -> list[nn.Module]:
    return [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]


class Dlrm(nn.Module):
    """Numbers and categories to the odds of a click."""

    def __init__(self) -> None:
        super().__init__()
        several = len(ROWS) + 1
        self.tables = nn.ModuleList([nn.Embedding(n, FACTORS) for n in ROWS])
        self.bottom = nn.Sequential(*layers(BOTTOM))
        self.top = nn.Sequential(*layers((FACTORS + several * (several - 1) // 2, *TOP))[:-1])
        self.pairs: torch.Tensor
        self.register_buffer("pairs", torch.tril_indices(several, several, -1), persistent=False)

    def forward(self, numbers: torch.Tensor, *categories: torch.Tensor) -> torch.Tensor:
        first = self.bottom(numbers)
        found = [table(c) for table, c in zip(self.tables, categories, strict=True)]
        vectors = torch.stack([first, *found], 1)
        products = (vectors @ vectors.transpose(1, 2))[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([first, products], 1))


MODEL = Model(
    title="DLRM (Naumov et al., 2019), Criteo's Kaggle tables",
    build=Dlrm,
    inputs=lambda batch: [Input((batch, NUMBERS)), *(Input((batch,), n) for n in ROWS)],
    parameters="540M",
)
