"""Speech recognition on synthetic speech: spectra of spoken letters, by convolution, GRU and CTC."""

from typing import ClassVar

import numpy as np

from prk.ddp import scores, sequences, workload
from prk.metric import Metric

# Bands of a spectrum, frames of an utterance, different letters and words, letters of a word, words spoken.
BANDS, FRAMES, LETTERS, WORDS, LENGTH, SPOKEN = 24, 128, 12, 100, (2, 5), 3
TRAINED, TESTED = 8192, 256
# Frames that a letter lasts, and the loudness of noise.
LASTS, NOISE = (4, 7), 0.25
CHANNELS, WIDTH = 48, 64
# The label of nothing new in CTC, and of what is between two words; letters follow.
NOTHING, GAP = 0, 1
LABELS = LETTERS + 2
# What an utterance has at most: letters, and gaps between words.
MOST = SPOKEN * LENGTH[1] + SPOKEN - 1


class Workload(workload.Workload):
    """One to three words of a made-up language: each letter two moving formants, speakers, speeds, noise."""

    title: ClassVar[str] = "speech recognition, convolution, GRU and CTC"
    source: ClassVar[str] = workload.GENERATED
    aibench: ClassVar[str] = "C6"
    quality: ClassVar[Metric | None] = Metric("WER", "share", larger_is_better=False, kind="quality")
    target: ClassVar[float | None] = 0.1
    usual: ClassVar[str] = "--epochs 6 --batch 32 --learning-rate 0.004"

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, FRAMES // 2 * LABELS

    def weights(self, problem):
        convolution = [BANDS * 5 * CHANNELS, CHANNELS, CHANNELS * 5 * CHANNELS, CHANNELS]
        forth_and_back = 2 * sequences.cell_weights(3, CHANNELS, WIDTH)
        return [*convolution, *forth_and_back, 2 * WIDTH * LABELS, LABELS]

    def memory(self, problem):
        return 8 * (TRAINED + TESTED) * (FRAMES * BANDS + 2 * MOST)

    def data(self, problem):
        return tuple(utterances(*part) for part in ((TRAINED, 1), (TESTED, 2)))

    def model(self, problem):
        from prk.ddp.blocks import Listener

        return Listener(BANDS, CHANNELS, WIDTH, LABELS)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def loss(self, forward, batch):
        import torch
        from torch.nn import functional

        spectra, text = batch
        found = forward(spectra).log_softmax(2).transpose(0, 1)
        frames = torch.full((len(text),), found.shape[0])
        lengths = (text > 0).sum(1)
        return functional.ctc_loss(found, text, frames, lengths, NOTHING, "sum") / len(text) / MOST

    def answer(self, forward, tested):
        return forward(tested[0]).flatten(1)

    def judge(self, forward, tested):
        said = self.answer(forward, tested).reshape(len(tested[0]), -1, LABELS).argmax(2).tolist()
        found = np.zeros(2)
        for labels, text in zip(said, tested[1].tolist(), strict=True):
            right = words(label for label in text if label)
            found += scores.distance(words(heard(labels)), right), len(right)
        return found


def utterances(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return spectra (count x frames x bands) and labels (count x MOST), nothing behind the last one."""
    draw = np.random.default_rng(0)
    lexicon = [draw.integers(0, LETTERS, draw.integers(LENGTH[0], LENGTH[1] + 1)) for _ in range(WORDS)]
    # Where the formants of a letter begin and end.
    formants = draw.uniform(2, BANDS - 3, (LETTERS, 2, 2))
    draw = np.random.default_rng(seed)
    spectra = np.zeros((count, FRAMES, BANDS), np.float32)
    labels = np.zeros((count, MOST), np.int64)
    bands = np.arange(BANDS)
    for spectrum, row in zip(spectra, labels, strict=True):
        text: list[int] = []
        voice, frame = draw.uniform(-1, 1), int(draw.integers(0, 4))
        for number, word in enumerate(draw.integers(0, WORDS, draw.integers(1, SPOKEN + 1))):
            text += [GAP] if number else []
            frame += int(draw.integers(2, 4)) if number else 0
            for letter in lexicon[word]:
                lasts = int(draw.integers(LASTS[0], LASTS[1] + 1))
                part = np.linspace(0, 1, lasts)[:, None, None]
                centres = formants[letter, :, 0] + part * (formants[letter, :, 1] - formants[letter, :, 0])
                sound = np.exp(-0.5 * ((bands[:, None] - centres - voice) / 0.8) ** 2).sum(2)
                spectrum[frame : frame + lasts] += sound
                frame += lasts
                text.append(int(letter) + 2)
        row[: len(text)] = text
    spectra += NOISE * draw.standard_normal(spectra.shape, np.float32)
    return spectra, labels


def heard(labels):
    """Return the labels of frames, each once while it lasts, without nothing."""
    before = NOTHING
    for label in labels:
        if label not in (NOTHING, before):
            yield label
        before = label


def words(labels) -> list[tuple[int, ...]]:
    """Return the words, each the tuple of its letters, that stand between gaps."""
    found: list[list[int]] = [[]]
    for label in labels:
        if label == GAP:
            found.append([])
        else:
            found[-1].append(label)
    return [tuple(word) for word in found if word]
