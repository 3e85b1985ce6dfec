"""Architecture search: a controller looks for a recurrent network's cell while the weights are learnt."""

from typing import ClassVar

import numpy as np

from prk.ddp import descriptions, draws, sequences, workload
from prk.metric import Metric

# Paragraphs that are taken, their first pieces of words, and different pieces.
TRAINED, TESTED, LENGTH, VOCABULARY = 12800, 512, 16, 1000
# Of the cell: its width and nodes; of the controller: its width. How much the controller's loss counts.
WIDTH, NODES, CONTROLLER, STRENGTH = 64, 4, 32, 0.1
# Architectures tried in a step, of which the better one becomes likelier.
TRIED = 2


class Workload(workload.Workload):
    """The next piece of Debian's descriptions in English (after Pham et al., ENAS, 2018)."""

    title: ClassVar[str] = "architecture search, recurrent cell"
    aibench: ClassVar[str] = "C17"
    quality: ClassVar[Metric | None] = Metric("perplexity", "words", larger_is_better=False, kind="quality")
    target: ClassVar[float | None] = 56.0
    usual: ClassVar[str] = "--epochs 4 --batch 64 --learning-rate 0.005"
    get: ClassVar[str] = descriptions.GET

    def samples(self, problem):
        return TRAINED

    def answers(self, problem):
        return TESTED, LENGTH * VOCABULARY

    def weights(self, problem):
        w, c, cells, choices = WIDTH, CONTROLLER, NODES * NODES * WIDTH * WIDTH, NODES + 4
        network = [VOCABULARY * w, 4 * w * w, 2 * w, w * VOCABULARY, VOCABULARY]
        return [
            cells,
            cells,
            *network,
            (choices + 1) * c,
            *sequences.cell_weights(4, c, c),
            c * choices,
            choices,
        ]

    def spread(self, name, shape):
        # Of the nodes' weights each is a matrix of its own.
        return shape[-1] ** -0.5 if name in ("made", "kept") else super().spread(name, shape)

    def memory(self, problem):
        return (400 << 20) + 8 * (TRAINED + TESTED) * (LENGTH + 1)

    def refuse(self, problem):
        descriptions.refuse(problem, ("en",))

    def data(self, problem):
        known = descriptions.descriptions(problem.data, "en")
        sources = descriptions.sources(problem.data)
        long = [
            (sources.get(package, package), text[:200], "")
            for (package, _), parts in known.items()
            for text in parts[1:2]
            if len(descriptions.words(text[:200])) > LENGTH
        ]
        train, test = ([text for text, _ in part] for part in descriptions.split(long, TRAINED, TESTED))
        tokens = descriptions.Tokens(train, VOCABULARY)

        def pieces(texts):
            return np.array([tokens.encode(text)[: LENGTH + 1] for text in texts], np.int64)

        return (pieces(train),), (pieces(test),)

    def model(self, problem):
        from prk.ddp.blocks import Searched

        return Searched(VOCABULARY, WIDTH, NODES, CONTROLLER)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        import torch

        # Of the controller's choices, the same for all samples and on all ranks (Gumbel's distribution).
        drawn = draws.uniform(problem.seed, step, np.zeros(1), TRIED * 2 * NODES * (NODES + 4))
        noise = -np.log(-np.log(np.clip(drawn, 1e-6, 1 - 1e-6)))
        return *super().batch(problem, data, chosen, step), torch.from_numpy(
            noise.reshape(TRIED, 2 * NODES, NODES + 4).astype(np.float32)
        )

    def loss(self, forward, batch):
        import torch
        from torch.nn import functional

        tokens, noise = batch
        found, likely = forward(tokens[:, :-1], noise)
        after = tokens[:, 1:].flatten()
        lost = torch.stack([functional.cross_entropy(scores.flatten(0, 1), after) for scores in found])
        # REINFORCE, each architecture's loss beside the mean one: linear in what each share loses.
        better = (lost.mean() - lost).detach()
        return lost.mean() - STRENGTH * (better * likely).mean()

    def answer(self, forward, tested):
        return forward(tested[0][:, :-1]).flatten(1)

    def judge(self, forward, tested):
        from torch.nn import functional

        after = tested[0][:, 1:].flatten()
        found = self.answer(forward, tested).reshape(-1, VOCABULARY)
        return np.array([float(functional.cross_entropy(found, after, reduction="sum")), len(after)])

    def judged(self, sums):
        return sequences.perplexity(sums)
