"""English to German, by LSTMs with attention: the same descriptions as `translation`."""

from typing import ClassVar

from prk.ddp import sequences
from prk.ddp.descriptions import BEGIN, END
from prk.ddp.workloads import translation

WIDTH, LAYERS = 96, 2


class Workload(translation.Workload):
    """What a network after GNMT makes of them."""

    title: ClassVar[str] = "translation, LSTM with attention"
    aibench: ClassVar[str] = ""
    mlperf: ClassVar[str] = "gnmt"
    target: ClassVar[float | None] = 10.0
    usual: ClassVar[str] = "--epochs 8 --batch 32 --learning-rate 0.003"
    words: ClassVar[int] = 10
    segments: ClassVar[int] = 10240
    length: ClassVar[int] = 16
    vocabulary: ClassVar[int] = 1500

    def weights(self, problem):
        return sequences.recurrent_weights(4, self.vocabulary, WIDTH, LAYERS)

    def model(self, problem):
        from torch import nn

        from prk.ddp.blocks import Recurrent

        return Recurrent(nn.LSTM, self.vocabulary, WIDTH, LAYERS, self.length, (BEGIN, END))
