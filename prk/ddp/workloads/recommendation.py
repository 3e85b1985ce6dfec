"""MovieLens-100K, by neural collaborative filtering: does the film that somebody saw come first?"""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np

from prk.ddp import workload
from prk.ddp.draws import mixed
from prk.metric import Metric
from prk.problem import Refusal

USERS, ITEMS, SEEN = 943, 1682, 100_000
# The factors that are multiplied, and the widths of the layers beside them.
FACTORS, WIDTHS = 32, (64, 32, 16)
# Films that somebody has not seen: beside each seen one in training, and to choose from in the test.
NEGATIVES, CHOICE = 4, 99
# Draws until one is a film not seen; of the keenest user nearly a half are.
TRIES = 8
# How many of the first places count.
PLACES = 10
FILES = ("ml-100k.inter", "u.data")
# Where recbole has them.
PLACE = ("dataset_example", "ml-100k")


class Workload(workload.Workload):
    """943 users, 1682 films; each user's last film is the test."""

    title: ClassVar[str] = "recommendation, neural collaborative filtering"
    aibench: ClassVar[str] = "C10"
    mlperf: ClassVar[str] = "ncf"
    quality: ClassVar[Metric | None] = Metric("HR@10", "share", kind="quality")
    target: ClassVar[float | None] = 0.60
    usual: ClassVar[str] = "--epochs 6 --batch 256 --learning-rate 0.005"
    get: ClassVar[str] = (
        "pip install --no-deps recbole, which holds MovieLens-100K, or name a folder with "
        f"{' or '.join(FILES)} by --data"
    )

    def samples(self, problem):
        return SEEN - USERS

    def answers(self, problem):
        return USERS, 1 + CHOICE

    def weights(self, problem):
        half = WIDTHS[0] // 2
        layers = [n for a, b in pairwise(WIDTHS) for n in (a * b, b)]
        last = FACTORS + WIDTHS[-1]
        return [USERS * FACTORS, ITEMS * FACTORS, USERS * half, ITEMS * half, *layers, last, 1]

    def flop(self, problem):
        multiplied = sum(a * b for a, b in pairwise(WIDTHS)) + FACTORS + WIDTHS[-1]
        return 3 * problem.batch * (1 + NEGATIVES) * (2 * multiplied + FACTORS)

    def memory(self, problem):
        return 8 * (3 * SEEN + USERS * (1 + CHOICE)) + USERS * ITEMS

    def refuse(self, problem):
        self.rows(problem)

    def file(self, problem) -> Path:
        """Return the file with who saw what. Raises Refusal."""
        folder = Path(problem.data) if problem.data else workload.installed("recbole", *PLACE)
        if folder is None:
            raise Refusal("--data", "MovieLens-100K is not here", self.get)
        path = next((folder / name for name in FILES if (folder / name).is_file()), None)
        if path is None:
            raise Refusal("--data", f"{folder} has no {' or '.join(FILES)}", self.get)
        return path

    def rows(self, problem) -> np.ndarray:
        """Return who saw what, how they liked it, and when, counted from 1. Raises Refusal."""
        path = self.file(problem)
        try:
            rows = np.loadtxt(path, skiprows=int(path.suffix == ".inter")).astype(np.int64)
        except ValueError as error:
            raise Refusal("--data", f"{path} cannot be read ({error})", self.get) from None
        if rows.shape != (SEEN, 4) or rows[:, :2].min() < 1 or (rows[:, :2].max(0) > (USERS, ITEMS)).any():
            raise Refusal("--data", f"{path} is not MovieLens-100K", self.get)
        return rows

    def data(self, problem):
        rows = self.rows(problem)
        users, items, when = rows[:, 0] - 1, rows[:, 1] - 1, rows[:, 3]
        # By user and time; of equal times the file's order does not matter.
        order = np.lexsort((items, when, users))
        users, items = users[order], items[order]
        last = np.append(users[1:] != users[:-1], True)
        seen = np.zeros((USERS, ITEMS), bool)
        seen[users, items] = True
        # To choose from, the same in every run.
        whose = np.repeat(users[last], CHOICE)
        others = unseen(seen, whose, 0, whose, np.arange(whose.size) % CHOICE).reshape(-1, CHOICE)
        choice = np.concatenate([items[last][:, None], others], axis=1)
        self.seen = seen
        return (users[~last], items[~last]), (users[last], choice)

    def identity(self, samples):
        import torch

        users, items = samples
        # In the test the film that was seen comes first, before those to choose from.
        return torch.stack([users, items.reshape(len(users), -1)[:, 0]], dim=1)

    def model(self, problem):
        from prk.ddp.blocks import Collaborative

        return Collaborative(USERS, ITEMS, FACTORS, WIDTHS)

    def spread(self, name, shape):
        return 0.01 if name.startswith(("user", "item")) else super().spread(name, shape)

    def optimizer(self, problem, weights):
        import torch

        return torch.optim.Adam(weights, problem.learning_rate)

    def batch(self, problem, data, chosen, step):
        import torch

        users, items = (known.numpy()[chosen] for known in data)
        who = np.repeat(users, NEGATIVES)
        seed, place = problem.seed * 1_000_003 + step, np.arange(who.size) % NEGATIVES
        drawn = unseen(self.seen, who, seed, np.repeat(chosen, NEGATIVES), place)
        labels = np.repeat(np.array([1, 0], np.float32), [users.size, who.size])
        arrays = (np.concatenate([users, who]), np.concatenate([items, drawn]), labels)
        return tuple(torch.from_numpy(array) for array in arrays)

    def loss(self, forward, batch):
        from torch import nn

        users, items, labels = batch
        return nn.functional.binary_cross_entropy_with_logits(forward(users, items), labels)

    def answer(self, forward, tested):
        users, choice = tested
        return forward(users.repeat_interleave(1 + CHOICE), choice.reshape(-1)).reshape(choice.shape)

    def judge(self, forward, tested):
        users, scores = tested[0], self.answer(forward, tested)
        # Whoever scores all alike has found nothing.
        before = (scores[:, 1:] >= scores[:, :1]).sum(1)
        return np.array([int((before < PLACES).sum()), len(users)], float)


def unseen(
    seen: np.ndarray, users: np.ndarray, seed: int, samples: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Return a film for each of `users` that they have not seen, drawn by seed, sample and place.

    seen: who saw what, users x films. The same on any rank.
    """
    keys = mixed(mixed(np.array([seed], np.uint64)) + np.asarray(samples, np.uint64))
    keys = mixed(keys + np.asarray(places, np.uint64))
    found = np.empty(users.size, np.int64)
    again = np.arange(users.size)
    for number in range(TRIES):
        found[again] = mixed(keys[again] + np.uint64(number)) % np.uint64(ITEMS)
        again = np.flatnonzero(seen[users, found])
        if not again.size:
            break
    return found
