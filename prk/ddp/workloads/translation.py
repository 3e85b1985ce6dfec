"""English to German, by a small Transformer: Debian's package descriptions."""

from typing import ClassVar

import numpy as np

from prk.ddp import descriptions, scores, sequences, workload
from prk.ddp.descriptions import BEGIN, END
from prk.metric import Metric

TESTED = 400
WIDTH, HEADS, LAYERS = 128, 4, 2


class Workload(workload.Workload):
    """Synopses and paragraphs that volunteers have translated, split by source package."""

    title: ClassVar[str] = "translation, Transformer"
    aibench: ClassVar[str] = "C3"
    mlperf: ClassVar[str] = "transformer"
    quality: ClassVar[Metric | None] = Metric("BLEU", "points", kind="quality")
    target: ClassVar[float | None] = 25.0
    usual: ClassVar[str] = "--epochs 10 --batch 64 --learning-rate 0.002"
    smoothed: ClassVar[float] = 0.1
    late: ClassVar[float] = 0.03
    get: ClassVar[str] = descriptions.GET
    # Segments of at most so many words, how many of them are trained on, their longest in pieces of words,
    # and how many pieces there are.
    words: ClassVar[int] = 20
    segments: ClassVar[int] = 18432
    length: ClassVar[int] = 32
    vocabulary: ClassVar[int] = 4000

    def samples(self, problem):
        return self.segments

    def answers(self, problem):
        return TESTED, self.length

    def weights(self, problem):
        w, norm = WIDTH, [WIDTH, WIDTH]
        attention = [3 * w * w, 3 * w, w * w, w]
        wide = [2 * w * w, 2 * w, 2 * w * w, w]
        encoder = [*attention, *wide, *norm, *norm]
        decoder = [*attention, *attention, *wide, *norm, *norm, *norm]
        inside = [*LAYERS * encoder, *norm, *LAYERS * decoder, *norm]
        return [self.vocabulary * w, self.length * w, *inside, self.vocabulary]

    def memory(self, problem):
        # Texts and lists while they are read, and the numbers of the pieces.
        return (400 << 20) + 8 * 2 * self.length * self.segments

    def refuse(self, problem):
        descriptions.refuse(problem, ("en", "de"))

    def data(self, problem):
        english, german = (descriptions.descriptions(problem.data, code) for code in ("en", "de"))
        sources = descriptions.sources(problem.data)
        found = []
        for key in english.keys() & german.keys():
            original, translated = english[key], german[key]
            # Where paragraphs are not as many, only the synopses are known to belong together.
            count = len(original) if len(original) == len(translated) else 1
            pairs = zip(original[:count], translated[:count], strict=True)
            found += [(sources.get(key[0], key[0]), *pair) for pair in pairs if self.fits(pair)]
        train, test = descriptions.split(found, self.segments, TESTED, letters=None)
        self.tokens = descriptions.Tokens((text for pair in train for text in pair), self.vocabulary)
        self.references = [descriptions.WORDS.findall(german) for _, german in test]
        source, target = (self.numbers([pair[i] for pair in train], self.length, begun=i) for i in (0, 1))
        return (source, target), (self.numbers([pair[0] for pair in test], self.length), np.arange(len(test)))

    def numbers(self, texts, length, begun=0):
        """Return the texts' pieces, cut off where they are too long, with an end; as targets begun, too."""
        rows = [[*self.tokens.encode(text)[: length - 1], END] for text in texts]
        rows = [[BEGIN, *row] for row in rows] if begun else rows
        return descriptions.padded(rows, length + begun)

    def model(self, problem):
        from prk.ddp.blocks import Transformer

        return Transformer(self.vocabulary, WIDTH, HEADS, LAYERS, self.length, (BEGIN, END))

    def spread(self, name, shape):
        return 0.5 * super().spread(name, shape)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate, (0.9, 0.98))

    def loss(self, forward, batch):
        source, target = batch
        return sequences.token_loss(forward, source, target, self.smoothed)

    def answer(self, forward, tested):
        return forward(tested[0])

    def judge(self, forward, tested):
        answers = self.answer(forward, tested).long().tolist()
        known = [self.references[number] for number in tested[1].tolist()]
        return np.sum([self.score(*pair) for pair in zip(answers, known, strict=True)], axis=0)

    def score(self, answer, reference):
        """Return what one answer adds to the quality's sums."""
        return scores.bleu_counts(self.tokens.decode(answer).split(), reference)

    def judged(self, sums):
        return scores.bleu(sums)

    def fits(self, pair):
        """Tell whether both texts are short enough, and differ."""
        return pair[0] != pair[1] and max(len(descriptions.words(text)) for text in pair) <= self.words
