"""DIN: what somebody looked at is weighed by how it fits what is offered, by a small network."""

from itertools import pairwise

import torch
from torch import nn

from prk.models.model import Input, Model, Published

# Amazon's electronics; a history of so many things.
ITEMS, KINDS, FACTORS, HISTORY = 63_001, 801, 64, 100
WIDE = 2 * FACTORS


def layers(*widths: int) -> nn.Sequential:
    """Return linear layers with sigmoids between them."""
    pairs = list(pairwise(widths))
    found = [m for a, b in pairs[:-1] for m in (nn.Linear(a, b), nn.Sigmoid())]
    return nn.Sequential(*found, nn.Linear(*pairs[-1]))


class Din(nn.Module):
    """Histories and offers to scores."""

    def __init__(self) -> None:
        super().__init__()
        self.item, self.kind = nn.Embedding(ITEMS, FACTORS), nn.Embedding(KINDS, FACTORS)
        self.bias = nn.Embedding(ITEMS, 1)
        self.weigh, self.score = layers(4 * WIDE, 80, 40, 1), layers(3 * WIDE, 80, 40, 1)

    def forward(self, items, kinds, item, kind):
        past = torch.cat([self.item(items), self.kind(kinds)], 2)
        offered = torch.cat([self.item(item), self.kind(kind)], 1)
        beside = offered[:, None].expand_as(past)
        weights = self.weigh(torch.cat([beside, past, beside - past, beside * past], 2))
        liked = (torch.softmax(weights / WIDE**0.5, 1) * past).sum(1)
        return self.score(torch.cat([liked, offered, liked * offered], 1)) + self.bias(item)


MODEL = Model(
    title="DIN (Zhou et al., 2018), 100 things looked at",
    build=Din,
    inputs=lambda batch: [
        Input((batch, HISTORY), ITEMS), Input((batch, HISTORY), KINDS), Input((batch,), ITEMS),
        Input((batch,), KINDS),
    ],
    published=Published(512, 4.01e9, 2.60e8, 15, 0.004),
    note="theirs is 0.88 of our flop; the length of their histories is not published",
)  # fmt: skip
