"""GNMT as MLPerf had it: four layers of LSTM read, four write, the first of these pays attention."""

import torch
from torch import nn

from prk.models.model import Input, Model, Published

WORDS, STATES, LENGTH = 32_320, 1024, 25


class Attention(nn.Module):
    """Normalised additive attention (Bahdanau et al., 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = (nn.Linear(STATES, STATES, bias=False) for _ in range(2))
        self.direction, self.bias = nn.Parameter(torch.ones(STATES)), nn.Parameter(torch.zeros(STATES))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, queries: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """Return what is looked at in each step of writing: queries and what was read, steps first."""
        queries, read = queries.transpose(0, 1), read.transpose(0, 1)
        added = self.query(queries)[:, :, None] + self.key(read)[:, None] + self.bias
        direction = self.scale * self.direction / self.direction.norm()
        return (torch.softmax(torch.tanh(added) @ direction, 2) @ read).transpose(0, 1)


class Gnmt(nn.Module):
    """Sentences, and their translations up to each word, to scores of the next words."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, STATES)
        self.both_ways = nn.LSTM(STATES, STATES, bidirectional=True)
        self.reading = nn.ModuleList([nn.LSTM(n, STATES) for n in (2 * STATES, STATES, STATES)])
        self.first, self.attention = nn.LSTM(STATES, STATES), Attention()
        self.writing = nn.ModuleList([nn.LSTM(2 * STATES, STATES) for _ in range(3)])
        self.score = nn.Linear(STATES, WORDS)

    def forward(self, given: torch.Tensor, written: torch.Tensor) -> torch.Tensor:
        x = self.both_ways(self.words(given))[0]
        for number, layer in enumerate(self.reading):
            y = layer(x)[0]
            x = x + y if number else y
        y = self.first(self.words(written))[0]
        seen = self.attention(y, x)
        for number, layer in enumerate(self.writing):
            z = layer(torch.cat([y, seen], 2))[0]
            y = y + z if number else z
        return self.score(y)


MODEL = Model(
    title="GNMT (Wu et al., 2016), MLPerf's, 25 words to 25",
    build=Gnmt,
    inputs=lambda batch: [Input((LENGTH, batch), WORDS), Input((LENGTH, batch), WORDS)],
    parameters="160671297",
    published=Published(128, 2.59e12, 7.34e10, 35, 0.676),
    note="theirs is about three of our flop: forwards and backwards",
)
