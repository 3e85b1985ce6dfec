"""Learning to rank by distillation: a small model of films learns from a large one what comes first."""

from typing import ClassVar

import numpy as np

from prk.ddp.draws import mixed
from prk.ddp.workloads import recommendation
from prk.ddp.workloads.recommendation import ITEMS, SEEN, USERS
from prk.metric import Metric

# Factors of the teacher and of the student.
TEACHER, STUDENT = 64, 8
# The last films of each user are the test: one in so many of those seen.
HELD = 4
# Films not seen beside each seen one; the teacher's first ones that the student learns; places that count.
NEGATIVES, FIRST, PLACES = 4, 10, 10
# Places after which a film of the teacher's counts 1 / e as much.
FADE = 5.0


def tests(counts: np.ndarray) -> np.ndarray:
    """Return how many of each user's films are the test."""
    return counts // HELD


class Workload(recommendation.Workload):
    """MovieLens-100K, each user's last quarter left out (after Tang and Wang, Ranking Distillation, 2018)."""

    title: ClassVar[str] = "learning to rank, distillation"
    aibench: ClassVar[str] = "C16"
    mlperf: ClassVar[str] = ""
    quality: ClassVar[Metric | None] = Metric("precision@10", "share", kind="quality")
    target: ClassVar[float | None] = 0.14
    usual: ClassVar[str] = "--epochs 6 --batch 256 --learning-rate 0.005"

    def samples(self, problem):
        # A multiple of what any file of so many ratings leaves: users have 20 at least.
        return SEEN - SEEN // HELD

    def answers(self, problem):
        return USERS, ITEMS

    def weights(self, problem):
        return [ITEMS, ITEMS, *(n * factors for factors in (TEACHER, STUDENT) for n in (USERS, ITEMS))]

    def flop(self, problem):
        return 0

    def memory(self, problem):
        return 8 * 3 * SEEN + 2 * USERS * ITEMS

    def data(self, problem):
        rows = self.rows(problem)
        users, items, when = rows[:, 0] - 1, rows[:, 1] - 1, rows[:, 3]
        order = np.lexsort((items, when, users))
        users, items = users[order], items[order]
        counts = np.bincount(users, minlength=USERS)
        # Counted from each user's last film.
        place = np.cumsum(counts)[users] - 1 - np.arange(SEEN)
        held = place < tests(counts)[users]
        wanted, self.seen = np.zeros((2, USERS, ITEMS), bool)
        wanted[users[held], items[held]] = True
        self.seen[users[~held], items[~held]] = True
        train = np.flatnonzero(~held)
        # Some more than three quarters are left, as not every user's films divide by four.
        train = train[np.arange(self.samples(problem)) * len(train) // self.samples(problem)]
        return (users[train], items[train]), (np.arange(USERS), wanted, self.seen)

    def identity(self, samples):
        import torch

        users, items, *others = samples
        if others:
            which, items = items.nonzero(as_tuple=True)
            users = users[which]
        return torch.stack([users, items], dim=1)

    def model(self, problem):
        from prk.ddp.blocks import Distilled

        return Distilled(USERS, ITEMS, TEACHER, STUDENT)

    def spread(self, name, shape):
        return 0.1

    def batch(self, problem, data, chosen, step):
        import torch

        users, items = (known.numpy()[chosen] for known in data)
        keys = mixed(np.array([problem.seed * 1_000_003 + step], np.uint64)) + chosen.astype(np.uint64)
        keys = mixed(mixed(keys)[:, None] + np.arange(NEGATIVES, dtype=np.uint64))
        others = (keys % np.uint64(ITEMS)).astype(np.int64)
        # The teacher has to know something first: what it says counts more and more.
        trust = np.full(len(users), (step + 1) / problem.repetitions, np.float32)
        return tuple(map(torch.from_numpy, (users, items, others, self.seen[users], trust)))

    def loss(self, forward, batch):
        import torch
        from torch.nn.functional import logsigmoid

        users, items, others, seen, trust = batch
        teacher, student = forward(users)
        unseen = ~seen.gather(1, others)

        def ranked(scores):
            """Return how far films that were seen are from being before those that were not."""
            apart = scores.gather(1, items[:, None]) - scores.gather(1, others)
            return -(logsigmoid(apart) * unseen).mean(1)

        first = teacher.detach().masked_fill(seen, -torch.inf).topk(FIRST, dim=1).indices
        weight = torch.exp(-torch.arange(FIRST) / FADE)
        taught = -(logsigmoid(student.gather(1, first)) * (weight / weight.sum())).sum(1)
        return (ranked(teacher) + ranked(student) + 0.1 * trust * taught).mean()

    def answer(self, forward, tested):
        scores = forward(tested[0])
        # The student alone is asked.
        return scores[1] if isinstance(scores, tuple) else scores

    def judge(self, forward, tested):
        import torch

        _, wanted, seen = tested
        first = self.answer(forward, tested).masked_fill(seen, -torch.inf).topk(PLACES, dim=1).indices
        return np.array([int(wanted.gather(1, first).sum()), first.numel()], float)
