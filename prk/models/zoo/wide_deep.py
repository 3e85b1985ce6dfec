"""Wide & Deep on the census: weights of single and crossed features beside four layers on all of them."""

from itertools import pairwise

import torch
from torch import nn

from prk.models.model import Input, Model, Published

# Numbers as they are, one-hot features as numbers, and the occupation, hashed and embedded.
NUMBERS, OCCUPATIONS, FACTORS = 5 + 9 + 16 + 7 + 6, 1000, 8
WIDTHS = (NUMBERS + FACTORS, 100, 75, 50, 25)
# Rows of the wide part: its five single features, and three crossed ones of 1000 each; a row each is active.
WIDE, ACTIVE = 11 + 16 + 7 + 6 + 9 + 1000 + 3 * 1000, 9


class WideDeep(nn.Module):
    """People to the odds of a large income."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.occupation = nn.Embedding(WIDE, 1), nn.Embedding(OCCUPATIONS, FACTORS)
        self.deep = nn.Sequential(*(m for a, b in pairwise(WIDTHS) for m in (nn.Linear(a, b), nn.ReLU())))
        self.last = nn.Linear(WIDTHS[-1], 1)

    def forward(self, numbers: torch.Tensor, active: torch.Tensor, job: torch.Tensor) -> torch.Tensor:
        deep = self.last(self.deep(torch.cat([numbers, self.occupation(job)], 1)))
        return deep + self.wide(active).sum(1)


MODEL = Model(
    title="Wide & Deep (Cheng et al., 2016), census",
    build=WideDeep,
    inputs=lambda batch: [
        Input((batch, NUMBERS)), Input((batch, ACTIVE), WIDE), Input((batch,), OCCUPATIONS)
    ],
    published=Published(2048, 1.30e8, 3.20e7, 4, 0.057),
    note="theirs is 1.8 of our flop; their features are not published",
)  # fmt: skip
