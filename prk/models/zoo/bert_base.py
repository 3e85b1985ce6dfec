"""BERT-base, with the layer that looks at the first word."""

import torch
from torch import nn

from prk.models.model import Input, Model, Published
from prk.models.zoo._transformer import Layer

WORDS, LENGTH, MOST, WIDTH, HEADS, LAYERS = 30_522, 384, 512, 768, 12, 12


class Bert(nn.Module):
    """Words, and which of two sentences each is of, to vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.place, self.part = (nn.Embedding(n, WIDTH) for n in (WORDS, MOST, 2))
        self.norm = nn.LayerNorm(WIDTH, 1e-12)
        self.layers = nn.Sequential(*(Layer(WIDTH, HEADS, False, 1e-12) for _ in range(LAYERS)))
        self.first = nn.Linear(WIDTH, WIDTH)

    def forward(self, words: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.layers(self.norm(self.word(words) + self.place.weight[:LENGTH] + self.part(parts)))
        return x, torch.tanh(self.first(x[:, 0]))


MODEL = Model(
    title="BERT-base (Devlin et al., 2019), 384 words",
    build=Bert,
    inputs=lambda batch: [Input((batch, LENGTH), WORDS), Input((batch, LENGTH), 2)],
    parameters="109482240",
    published=Published(2, 5.39e11, 8.27e9, 65, 0.056),
    note="theirs is 3.8 of our flop: forwards and backwards of about 480 words",
)
