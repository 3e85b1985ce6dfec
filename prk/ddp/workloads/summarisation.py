"""A description's long text to its synopsis, by GRUs with attention: Debian's packages, in English."""

from typing import ClassVar

import numpy as np

from prk.ddp import descriptions, scores, sequences
from prk.ddp.descriptions import BEGIN, END
from prk.ddp.workloads import translation
from prk.metric import Metric

# Texts that are taken, their first pieces of words, and the longest synopsis.
TRAINED, TESTED, LENGTH, SHORT = 12800, 400, 32, 12
VOCABULARY, WIDTH, LAYERS = 1500, 96, 1


class Workload(translation.Workload):
    """The first words of texts, and their synopses, split by source package."""

    title: ClassVar[str] = "summarisation, GRU with attention"
    aibench: ClassVar[str] = "C14"
    mlperf: ClassVar[str] = ""
    quality: ClassVar[Metric | None] = Metric("Rouge-L", "points", kind="quality")
    target: ClassVar[float | None] = 10.0
    usual: ClassVar[str] = "--epochs 6 --batch 32 --learning-rate 0.003"
    late: ClassVar[float] = 0.01

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, SHORT

    def weights(self, problem):
        return sequences.recurrent_weights(3, VOCABULARY, WIDTH, LAYERS)

    def memory(self, problem):
        return (400 << 20) + 8 * (LENGTH + SHORT) * TRAINED

    def refuse(self, problem):
        descriptions.refuse(problem, ("en",))

    def data(self, problem):
        found = descriptions.descriptions(problem.data, "en")
        sources = descriptions.sources(problem.data)
        known = [
            (sources.get(package, package), " ".join(parts[1:])[:300], parts[0])
            for (package, _), parts in found.items()
            if len(parts) > 1
        ]
        train, test = descriptions.split(known, TRAINED, TESTED)
        self.tokens = descriptions.Tokens((text for pair in train for text in pair), VOCABULARY)
        self.references = [descriptions.WORDS.findall(synopsis.lower()) for _, synopsis in test]
        source, target = ([pair[i] for pair in train] for i in (0, 1))
        given = self.numbers(source, LENGTH), self.numbers(target, SHORT, begun=1)
        return given, (self.numbers([text for text, _ in test], LENGTH), np.arange(len(test)))

    def model(self, problem):
        from torch import nn

        from prk.ddp.blocks import Recurrent

        return Recurrent(nn.GRU, VOCABULARY, WIDTH, LAYERS, SHORT, (BEGIN, END))

    def score(self, answer, reference):
        words = descriptions.WORDS.findall(self.tokens.decode(answer).lower())
        return np.array([100 * scores.rouge_l(words, reference), 1])

    def judged(self, sums):
        return float(sums[0] / sums[1])
