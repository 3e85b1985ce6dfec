"""What is trained: the contract of a workload, and where workloads are found. Imports no PyTorch.

A workload is a module of prk/ddp/workloads with a class `Workload`, or one that another package offers by an
entry point of the group `prk.workloads`. Planning and refusing need what it says without PyTorch, so modules
import that where they need it.
"""

import copy
import importlib
import importlib.util
import json
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from prk.ddp import workloads
from prk.metric import Metric
from prk.problem import Refusal

if TYPE_CHECKING:
    import torch

REAL, GENERATED, PROXY = "real data", "generated data", "proxy"
GROUP = "prk.workloads"
MOMENTUM = 0.9
# Where the momentum's learning rate is: v = m v + g, w -= lr v; or v = m v + lr g, w -= v.
OUTSIDE, INSIDE = "outside", "inside"

# Relative to the largest number that answers a sample: what another order of sums in single precision makes.
TOLERANCE = 1e-4

# One array for each thing that is known of a sample, its first axis the samples.
Arrays = tuple[np.ndarray, ...]
Tensors = tuple["torch.Tensor", ...]
Forward = Callable[..., "torch.Tensor"]


class Workload:
    """Data, model, loss and quality of a task. What is left out here is that of a classification."""

    name: str
    title: ClassVar[str]
    # Real data, generated data, or a proxy for a task that cannot be had.
    source: ClassVar[str] = REAL
    # The task's number in AIBench, and its name in MLPerf, where it has one.
    aibench: ClassVar[str] = ""
    mlperf: ClassVar[str] = ""
    # By what the model is judged after each epoch, and the value that ends a training.
    quality: ClassVar[Metric | None] = Metric("top-1", "share", kind="quality")
    target: ClassVar[float | None] = None
    # Options that reach the target.
    usual: ClassVar[str] = ""
    # Trainings that a result under the rules takes: 5 of vision, 10 of others.
    runs: ClassVar[int] = 10
    # The part of each label that the loss spreads over all classes, so that the model is never quite sure.
    smoothed: ClassVar[float] = 0.0
    # Modules that the data are read with. They are imported before any clock starts.
    imports: ClassVar[tuple[str, ...]] = ()
    # Whether that takes a few seconds only, so that who needs a trained model may train it at once.
    instant: ClassVar[bool] = False
    # The share of the quality in single precision that a served model keeps: less of a light one.
    kept: ClassVar[float] = 0.99
    # The share of a server's answers that may be late, as the study has it.
    late: ClassVar[float] = 0.01
    # Where the data come from, for those who have not got them.
    get: ClassVar[str] = ""

    def samples(self, problem: Any) -> int:
        """Return the number of training samples."""
        raise NotImplementedError

    def weights(self, problem: Any) -> list[int]:
        """Return how many numbers each of the model's weights has, in the model's order."""
        raise NotImplementedError

    def flop(self, problem: Any) -> int:
        """Return the operations of a step over all ranks, a multiply-add being two; 0: unknown."""
        return 0

    def memory(self, problem: Any) -> int:
        """Return the bytes of the data, which every rank holds."""
        raise NotImplementedError

    def refuse(self, problem: Any) -> None:
        """Raise Refusal for parameters that do not suit the workload, and for data that are not there."""

    def data(self, problem: Any) -> tuple[Arrays, Arrays]:
        """Return the training data and the test data, as arrays over the samples. Raises Refusal."""
        raise NotImplementedError

    def model(self, problem: Any) -> "torch.nn.Module":
        """Return the model, its weights not yet drawn. No layer may depend on how a batch is divided."""
        raise NotImplementedError

    def spread(self, name: str, shape: Sequence[int]) -> float:
        """Return the standard deviation of a weight's first numbers; vectors begin as 0, or 1 in a norm."""
        return math.sqrt(2 / math.prod(shape[1:]))

    def optimizer(self, problem: Any, weights: Any) -> "torch.optim.Optimizer":
        """Return what changes the weights in each step: by default momentum, in the form asked for.

        Each number by its own gradient alone: it may be given shards of all weights, as vectors.
        """
        if problem.momentum_form == INSIDE:
            from prk.ddp.momentum import Inside

            return Inside(weights, problem.learning_rate, MOMENTUM)
        import torch

        return torch.optim.SGD(weights, problem.learning_rate, MOMENTUM)

    def learning_rate(self, problem: Any, step: int) -> float:
        """Return a step's learning rate: up in the first tenth of the run, down to zero by its end."""
        part = (step + 1) / problem.repetitions
        return problem.learning_rate * min(10 * part, (1.0 - part) / 0.9 + 1e-3)

    def batch(self, problem: Any, data: Tensors, chosen: np.ndarray, step: int) -> Tensors:
        """Return what a step takes of the samples `chosen`, which depends on sample and step alone."""
        import torch

        index = torch.from_numpy(chosen)
        return tuple(known[index] for known in data)

    def loss(self, forward: Forward, batch: Tensors) -> "torch.Tensor":
        """Return the mean loss over a batch, such that means over equal shares average to the whole one's."""
        from torch import nn

        inputs, labels = batch
        return nn.functional.cross_entropy(forward(inputs), labels, label_smoothing=self.smoothed)

    def identity(self, samples: Tensors) -> "torch.Tensor":
        """Return rows that tell samples apart, of training data and test data alike: by default their inputs.

        A model must not be judged by what it is trained on.
        """
        return samples[0]

    def answers(self, problem: Any) -> tuple[int, int]:
        """Return how many test samples can be asked for, and how many numbers answer one. Raises Refusal."""
        raise Refusal("--workload", f"{self.name} says nothing of answers", "use one that can be served")

    def answer(self, forward: Forward, tested: Tensors) -> "torch.Tensor":
        """Return what the model says of some test samples, a row each, and look at no right answer."""
        return forward(tested[0])

    def agree(self, answers: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Tell of each row whether it answers as the same model did in another batch: equal but for rounding.

        What is no number is equal to nothing.
        """
        close: np.ndarray = np.abs(answers - right).max(axis=1) <= TOLERANCE * np.abs(right).max(axis=1)
        return close

    def judge(self, forward: Forward, tested: Tensors) -> np.ndarray:
        """Return sums over some test samples, of which those over all make the quality (`judged`).

        The model is asked by `answer` alone, so that answers which are there can be judged (`judge_answers`).
        """
        answers, labels = self.answer(forward, tested), tested[1]
        return np.array([int((answers.argmax(1) == labels).sum()), len(labels)], float)

    def judge_answers(self, answers: "torch.Tensor", tested: Tensors) -> np.ndarray:
        """Return the same sums of answers that a model has given, a row each."""
        given = copy.copy(self)
        vars(given)["answer"] = lambda forward, tested: answers
        return given.judge(lambda *_: answers, tested)

    def judged(self, sums: np.ndarray) -> float:
        """Return the quality, from the sums over all test samples."""
        return float(sums[0] / sums[1])

    def reached(self, quality: float) -> bool:
        """Tell whether a quality is the target's, or better."""
        if self.quality is None or self.target is None:
            return False
        return not self.quality.better(self.target, quality)


@cache
def names() -> dict[str, str]:
    """Return the workloads' names and modules, our own first."""
    own = {m.name.replace("_", "-"): f"{workloads.__name__}.{m.name}" for m in _modules()}
    offered = {e.name: e.value for e in entry_points(group=GROUP)}
    # A name that is ours stays ours, whatever else is installed.
    return own | {name: module for name, module in offered.items() if name not in own}


def _modules() -> Sequence[pkgutil.ModuleInfo]:
    return [m for m in pkgutil.iter_modules(workloads.__path__) if not m.name.startswith("_")]


@cache
def find(name: str) -> Workload:
    """Return the workload called `name`. Raises Refusal if there is none, or if its package is broken."""
    if name not in names():
        raise Refusal("--workload", f"there is no {name!r}", f"use one of {', '.join(names())}")
    try:
        found: Workload = importlib.import_module(names()[name]).Workload()
    except Exception as error:
        if names()[name].startswith(workloads.__name__):
            raise
        why = f"{name} cannot be used ({type(error).__name__}: {error})".splitlines()[0]
        raise Refusal("--workload", why, "mend its package, or use another") from None
    found.name = name
    return found


def usual(name: str) -> dict[str, float]:
    """Return the parameters that a workload is usually trained with; none if its package is broken."""
    try:
        words = find(name).usual.split()
    except Refusal:
        return {}
    pairs = zip(words[::2], words[1::2], strict=True)
    return {option[2:].replace("-", "_"): json.loads(value) for option, value in pairs}


def qualities() -> tuple[Metric, ...]:
    """Return the metrics by which workloads are judged, each once; those of broken packages are left out."""
    found: Mapping[Metric, None] = {}
    for name in names():
        try:
            metric = find(name).quality
        except Refusal:
            continue
        if metric:
            found = {**found, metric: None}
    return tuple(found)


def installed(package: str, *parts: str) -> Path | None:
    """Return where a file of an installed package is, without importing it; None if it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0], *parts)


def linear_flop(batch: int, shape: Sequence[int]) -> int:
    """Return the operations of a step of linear layers: forwards, for weights, for inputs but the first's.

    shape: the widths of the input and of each layer's output.
    """
    multiplied = [a * b for a, b in pairwise(shape)]
    return 2 * batch * (3 * sum(multiplied) - multiplied[0])
