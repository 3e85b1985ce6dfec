"""CRNN: convolutions make a sequence of columns of a line of text, two bidirectional LSTMs read it."""

import torch
from torch import nn

from prk.models.model import Input, Model, Published

# Channels and filter of each convolution; a batch norm (True), and the pooling after it.
LAYERS = (
    (64, 3, False, (2, 2)), (128, 3, False, (2, 2)), (256, 3, False, None), (256, 3, False, (2, 1)),
    (512, 3, True, None), (512, 3, True, (2, 1)), (512, 2, False, None),
)  # fmt: skip
STATES, LETTERS = 256, 37


class Crnn(nn.Module):
    """Lines of 32 x 100 grey points to letters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 1
        for outside, size, normed, pooled in LAYERS:
            layers.append(nn.Conv2d(inside, outside, size, 1, size // 3))
            layers += [nn.BatchNorm2d(outside)] if normed else []
            layers.append(nn.ReLU())
            # Where only the height is halved, windows overlap along the line.
            layers += [nn.MaxPool2d(2, pooled, (0, 2 - pooled[1]))] if pooled else []
            inside = outside
        self.seen = nn.Sequential(*layers)
        self.read = nn.ModuleList([nn.LSTM(n, STATES, bidirectional=True) for n in (inside, STATES)])
        self.told = nn.ModuleList([nn.Linear(2 * STATES, n) for n in (STATES, LETTERS)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.seen(x).squeeze(2).permute(2, 0, 1)
        for read, told in zip(self.read, self.told, strict=True):
            x = told(read(x)[0])
        return x


MODEL = Model(
    title="CRNN (Shi et al., 2015), 32 x 100",
    build=Crnn,
    inputs=lambda batch: [Input((batch, 1, 32, 100))],
    parameters="8.3M",
    published=Published(256, 5.23e11, 8.48e9, 62, 0.086),
    note="theirs is 1.45 of our flop, which is not explained: the width of their lines is not published",
)
