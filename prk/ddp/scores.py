"""What answers are worth: numbers that add up over samples, and what their sums come to. Without PyTorch."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from prk.ddp.scenes import overlaps

Tokens = Sequence[Hashable]

# Of BLEU: the longest run of tokens that counts.
ORDER = 4


def runs(tokens: Tokens, length: int) -> Counter[tuple[Hashable, ...]]:
    """Return how often each run of so many tokens comes."""
    return Counter(tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1))


def bleu_counts(answer: Tokens, reference: Tokens) -> np.ndarray:
    """Return what BLEU adds up: both lengths; then right runs of 1 to 4 tokens, and all of the answer."""
    right, most = [], []
    for length in range(1, ORDER + 1):
        found = runs(answer, length)
        right.append((found & runs(reference, length)).total())
        most.append(found.total())
    return np.array([len(answer), len(reference), *right, *most], float)


def bleu(sums: np.ndarray) -> float:
    """Return BLEU (0 to 100) of sums of `bleu_counts`, without smoothing (Papineni et al., 2002)."""
    answered, referred = sums[:2]
    right, most = sums[2 : 2 + ORDER], sums[2 + ORDER :]
    if not right.all():
        return 0.0
    short = min(0.0, 1 - referred / answered)
    return float(100 * np.exp(short + np.log(right / most).mean()))


def common(one: Tokens, other: Tokens) -> int:
    """Return the length of the longest sequence that is in both, with gaps."""
    row = [0] * (len(other) + 1)
    for mine in one:
        before = 0
        for place, theirs in enumerate(other, 1):
            kept = row[place]
            row[place] = before + 1 if mine == theirs else max(kept, row[place - 1])
            before = kept
    return row[-1]


def rouge_l(answer: Tokens, reference: Tokens) -> float:
    """Return Rouge-L (0 to 1): the F-measure of the longest common sequence (Lin, 2004)."""
    length = common(answer, reference)
    return 2 * length / (len(answer) + len(reference)) if length else 0.0


def distance(one: Tokens, other: Tokens) -> int:
    """Return how many tokens must be put in, left out or replaced to make one of the other (Levenshtein)."""
    row = [*range(len(other) + 1)]
    for number, mine in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, theirs in enumerate(other, 1):
            kept = row[place]
            row[place] = min(before + (mine != theirs), kept + 1, row[place - 1] + 1)
            before = kept
    return row[-1]


# Of detections: steps of their scores, and the overlap of a right one.
STEPS, RIGHT = 64, 0.5


Boxes = tuple[np.ndarray, np.ndarray]


def detection_counts(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, there: Boxes, classes: int
) -> np.ndarray:
    """Return what mean average precision adds up over images: classes x (right, wrong by score; boxes).

    boxes, scores (0 to 1), labels: of what was detected. there: the right boxes and their labels. Each is
    found once, by the detection of the highest score that overlaps with it by a half.
    """
    true, named = there
    found = np.zeros((classes, 2, STEPS + 1))
    found[:, 0, STEPS] = np.bincount(named, minlength=classes)
    for number in np.argsort(-scores, kind="stable"):
        label = labels[number]
        own = np.flatnonzero(named == label)
        shared = overlaps(boxes[[number]], true[own])[0] if own.size else np.zeros(0)
        right = shared.size > 0 and shared.max() >= RIGHT
        step = min(int(scores[number] * STEPS), STEPS - 1)
        found[label, 0 if right else 1, step] += 1
        if right:
            # Nobody finds it again.
            taken = own[shared.argmax()]
            true, named = np.delete(true, taken, 0), np.delete(named, taken)
    return found.reshape(-1)


def average_precision(sums: np.ndarray, classes: int) -> float:
    """Return the mean over the classes there are of the precision at 101 recalls, as COCO takes it at 0.5."""
    found = sums.reshape(classes, 2, STEPS + 1)
    values = []
    for one in found[found[:, 0, STEPS] > 0]:
        # From the highest score to the lowest.
        right, wrong = one[:, :STEPS][:, ::-1].cumsum(1)
        precision = right / np.maximum(right + wrong, 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        recall = right / one[0, STEPS]
        place = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
        values.append(np.append(best, 0)[place].mean())
    return float(np.mean(values)) if values else 0.0


def moments(rows: np.ndarray) -> np.ndarray:
    """Return the number of rows, their sum, and the sum of their products: what mean and covariance need."""
    return np.concatenate([[len(rows)], rows.sum(0), (rows.T @ rows).reshape(-1)])


def frechet(some: np.ndarray, others: np.ndarray) -> float:
    """Return the Frechet distance of two normal distributions, each given by sums of `moments`.

    |m - n|^2 + trace(C + D - 2 (C D)^(1/2)) (Dowson and Landau, 1982).
    """
    (mean, cov), (mean2, cov2) = _normal(some), _normal(others)
    values, vectors = np.linalg.eigh(cov)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    both = np.sqrt(np.clip(np.linalg.eigvalsh(root @ cov2 @ root), 0, None)).sum()
    return float(((mean - mean2) ** 2).sum() + np.trace(cov) + np.trace(cov2) - 2 * both)


def _normal(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance."""
    width = int(np.sqrt(len(sums)))
    mean = sums[1 : 1 + width] / sums[0]
    return mean, sums[1 + width :].reshape(width, width) / sums[0] - np.outer(mean, mean)
