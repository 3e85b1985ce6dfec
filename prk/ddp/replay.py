"""Training once more for the check, divided over the members; their team forms the means itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from prk.ddp import models
from prk.ddp.compression import FORMATS
from prk.ddp.problem import Ddp
from prk.ddp.workload import Tensors
from prk.team import Team

# Bytes that the first member gathers at once, however many members there are.
PIECE = 1 << 25
# What a norm is at least, where something is divided by it.
LEAST = 1e-30

# A member's share of a step's batch, by (step, member, members).
Batch = Callable[[int, int, int], Tensors]


@dataclass(frozen=True)
class Replayed:
    """The losses of the steps that were trained once more, and the gradient of the first one.

    norm: of that gradient; scale: what errors of another version are relative to.
    """

    losses: np.ndarray
    gradient: np.ndarray
    norm: float
    scale: float

    def error(self, found: np.ndarray) -> float:
        """Return the relative error of the same gradient, found in another way."""
        return float(np.linalg.norm(found - self.gradient)) / self.scale


def replay(problem: Ddp, team: Team, batch: Batch, steps: Iterable[int], weights: np.ndarray) -> Replayed:
    """Train from the first member's weights, in single precision throughout.

    Each member computes the share of the next one, so that none of them is the judge of its own. Collective.
    """
    single = models.model(problem)
    own = list(single.parameters())
    nn.utils.vector_to_parameters(torch.from_numpy(shared(team, weights)), own)
    optimizer = models.optimizer(problem, own)
    losses: list[float] = []
    found: list[np.ndarray] = []
    squares = np.zeros(1)
    for step in steps:
        share = batch(step, (team.rank + 1) % team.size, team.size)
        models.set_learning_rate(optimizer, problem, step)
        optimizer.zero_grad()
        loss = problem.trains.loss(single, share)
        loss.backward()
        mine = gradients(own)
        whole = mean(team, mine)
        put(own, whole)
        optimizer.step()
        losses.append(loss.item())
        if not found:
            found, squares = [whole], mean(team, np.array([float(mine @ mine)]))
    norm, spread = float(np.linalg.norm(found[0])), float(np.sqrt(squares[0]))
    scale = FORMATS[problem.gradients].scale(team.size, norm, spread, whole.size)
    return Replayed(mean(team, np.array(losses)), found[0], norm, max(scale, LEAST))


def gradients(weights: Iterable[torch.Tensor]) -> np.ndarray:
    """Return a copy of the weights' gradients as one vector."""
    return torch.cat([w.grad.reshape(-1) for w in weights if w.grad is not None]).numpy().copy()


def put(weights: Iterable[torch.Tensor], vector: np.ndarray) -> None:
    """Give the weights the gradients that a vector holds."""
    several = list(weights)
    for weight, part in zip(several, parts(vector, several), strict=True):
        weight.grad = part


def parts(vector: np.ndarray, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return copies of a vector's parts, a tensor as each weight is."""
    pieces = torch.from_numpy(vector.copy()).split([weight.numel() for weight in weights])
    return [piece.view_as(weight) for weight, piece in zip(weights, pieces, strict=True)]


def mean(team: Team, vector: np.ndarray) -> np.ndarray:
    """Return the mean of all members' vectors; formed in pieces, so that nobody holds all of them whole."""
    found = np.empty_like(vector)
    for piece in pieces(vector, team.size):
        gathered = team.gather(vector[piece])
        found[piece] = team.bcast(None if team.rank or gathered is None else np.mean(gathered, 0, float))
    return found


def shared(team: Team, vector: np.ndarray) -> np.ndarray:
    """Return the first member's vector on all of them."""
    found = np.empty_like(vector)
    for piece in pieces(vector, 1):
        found[piece] = team.bcast(vector[piece])
    return found


def pieces(vector: np.ndarray, holders: int) -> Iterator[slice]:
    """Yield slices of a vector, so that `holders` copies of one take at most PIECE bytes together."""
    length = max(1, PIECE // (vector.itemsize * holders))
    return (slice(i, min(i + length, vector.size)) for i in range(0, vector.size, length))


def relative(found: np.ndarray, right: np.ndarray) -> float:
    """Return the relative difference of two vectors in the Euclidean norm."""
    return float(np.linalg.norm(found - right) / max(float(np.linalg.norm(right)), LEAST))
