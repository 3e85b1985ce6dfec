"""DIEN: a GRU reads what somebody looked at, another one whose gate is what fits the offer reads that."""

import torch
from torch import nn

from prk.models.model import Input, Model, Published
from prk.models.zoo.din import layers

# Amazon's books.
USERS, ITEMS, KINDS, FACTORS, HISTORY = 543_060, 367_983, 1_601, 18, 100
WIDE = 2 * FACTORS


class Augru(nn.Module):
    """A GRU whose update gate is scaled by how much attention a step gets."""

    def __init__(self, inside: int, states: int):
        super().__init__()
        self.inputs, self.state = nn.Linear(inside, 3 * states), nn.Linear(states, 2 * states)
        self.new = nn.Linear(states, states)

    def forward(self, x: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        h = x.new_zeros(len(x), self.new.out_features)
        for given, weight in zip(self.inputs(x).unbind(1), attention.unbind(1), strict=True):
            r, z, n = given.chunk(3, 1)
            of_r, of_z = self.state(h).chunk(2, 1)
            r, z = torch.sigmoid(r + of_r), weight * torch.sigmoid(z + of_z)
            h = (1 - z) * h + z * torch.tanh(n + self.new(r * h))
        return h


class Dien(nn.Module):
    """Users, histories and offers to scores."""

    def __init__(self) -> None:
        super().__init__()
        self.user = nn.Embedding(USERS, FACTORS)
        self.item, self.kind = nn.Embedding(ITEMS, FACTORS), nn.Embedding(KINDS, FACTORS)
        self.read, self.follow = nn.GRU(WIDE, WIDE, batch_first=True), Augru(WIDE, WIDE)
        self.weigh, self.score = layers(4 * WIDE, 80, 40, 1), layers(FACTORS + 4 * WIDE, 200, 80, 2)

    def forward(self, user, items, kinds, item, kind):
        past = torch.cat([self.item(items), self.kind(kinds)], 2)
        offered = torch.cat([self.item(item), self.kind(kind)], 1)
        states = self.read(past)[0]
        beside = offered[:, None].expand_as(states)
        weights = self.weigh(torch.cat([beside, states, beside - states, beside * states], 2))
        last = self.follow(states, torch.softmax(weights, 1))
        total = past.sum(1)
        return self.score(torch.cat([self.user(user), offered, total, offered * total, last], 1))


MODEL = Model(
    title="DIEN (Zhou et al., 2019), 100 things looked at",
    build=Dien,
    inputs=lambda batch: [
        Input((batch,), USERS), Input((batch, HISTORY), ITEMS), Input((batch, HISTORY), KINDS),
        Input((batch,), ITEMS), Input((batch,), KINDS),
    ],
    published=Published(512, 1.13e11, 5.10e9, 22, 0.051),
    note="theirs is 36 times ours, which is not explained: the sizes are those of the authors' "
    "program, and AI Matrix does not publish its own; ours has no auxiliary loss",
)  # fmt: skip
