"""English to German, by LSTMs with attention: the same descriptions as `translation`."""

from typing import ClassVar

from prk.ddp import sequences
from prk.ddp.descriptions import BEGIN, END
from prk.ddp.workloads import translation
from prk.ddp.workloads.translation import LENGTH, VOCABULARY

WIDTH, LAYERS = 96, 2


class Workload(translation.Workload):
    """What a network after GNMT makes of them."""

    title: ClassVar[str] = "translation, LSTM with attention"
    aibench: ClassVar[str] = ""
    mlperf: ClassVar[str] = "gnmt"
    target: ClassVar[float | None] = 6.0
    usual: ClassVar[str] = "--epochs 8 --batch 32 --learning-rate 0.003"

    def weights(self, problem):
        return sequences.recurrent_weights(4, VOCABULARY, WIDTH, LAYERS)

    def model(self, problem):
        from torch import nn

        from prk.ddp.blocks import Recurrent

        return Recurrent(nn.LSTM, VOCABULARY, WIDTH, LAYERS, LENGTH, (BEGIN, END))
