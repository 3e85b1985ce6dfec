"""Data-parallel training, serial: every other runtime changes only how gradients are averaged."""

import time
from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import nn

from prk import decomposition, kernel
from prk.allreduce.problem import Allreduce
from prk.ddp import models
from prk.ddp.problem import REPLAYED, Ddp
from prk.problem import Field

MOMENTUM = 0.9
# Steps by which computation and communication are told apart after the run.
PROBES = 10


class Kernel(kernel.Kernel[Ddp]):
    """This member's replica of the model, its share of every batch, and the losses it saw."""

    def setup(self) -> None:
        p = self.problem
        torch.set_num_threads(p.torch_threads)
        # A model that fits its data has gradients so small that the processor would take many times as long.
        torch.set_flush_denormal(True)
        torch.manual_seed(p.seed)
        self.inputs, self.labels, self.test_inputs, self.test_labels = models.tensors(p)
        self.model = models.model(p)
        self.weights = list(self.model.parameters())
        self.optimizer = torch.optim.SGD(self.weights, p.learning_rate, MOMENTUM)
        self.laps: list[float] = []
        self.losses: list[float] = []
        # By epoch: right answers to this member's part of the test data, and the seconds of the timed steps.
        self.right: list[int] = []
        self.ended: list[float] = []
        # Weights before, and gradient of, the first and the last step.
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []
        # The gradients that are averaged together; a single process averages none.
        self.groups: list[list[torch.Tensor]] = []
        self.connect()

    def connect(self) -> None:
        """Prepare the averaging of gradients."""

    def group(self, limit: float) -> list[list[torch.Tensor]]:
        """Return the weights in groups of at most `limit` bytes, or of one.

        Gradients become ready from the last layer to the first.
        """
        groups: list[list[torch.Tensor]] = [[]]
        for weight in reversed(self.weights):
            if groups[-1] and sum(w.nbytes for w in groups[-1]) + weight.nbytes > limit:
                groups.append([])
            groups[-1].append(weight)
        return groups

    def allreduce(self, problem: Allreduce) -> Any:
        """Return this runtime's allreduce, by which the share of communication is predicted."""
        raise NotImplementedError

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradient of the global batch's mean loss, from the mean loss of this member's share."""
        loss.backward()

    def average_only(self) -> None:
        """Average the gradients as they are, with nothing to compute meanwhile."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.model(inputs)

    def clear(self) -> None:
        """Set all gradients to zero."""
        self.optimizer.zero_grad(set_to_none=False)

    def batch(self, step: int, rank: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and labels of one member's share of a step's batch."""
        if self.problem.workload == "synthetic":
            share = slice(*decomposition.block(self.problem.batch, size, rank))
            return self.inputs[share], self.labels[share]
        chosen = torch.from_numpy(self.problem.share(step, rank, size))
        inputs = self.inputs[chosen]
        if self.problem.workload == "fashion-mnist":
            # Mirror half of the images: which ones depends on sample and step, not on the rank.
            inputs = torch.where(
                (chosen * 31 + step).bitwise_and(2).bool()[:, None, None, None], inputs.flip(-1), inputs
            )
        return inputs, self.labels[chosen]

    def train(self, inputs: torch.Tensor, labels: torch.Tensor, backward: Any) -> float:
        """Run one step of the optimizer; return the loss."""
        self.clear()
        loss = nn.functional.cross_entropy(self.forward(inputs), labels)
        backward(loss)
        self.optimizer.step()
        return loss.item()

    def repeat(self, count: int) -> None:
        """Run `count` steps, testing the model after each epoch; only the steps are timed."""
        p = self.problem
        for step in range(len(self.laps), len(self.laps) + count):
            inputs, labels = self.batch(step, self.comm.rank, self.comm.size)
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(p, step)
            keep = step in (0, p.repetitions - 1)
            before = self.flat() if keep else None
            begin = time.perf_counter()
            loss = self.train(inputs, labels, self.backward)
            self.laps.append(time.perf_counter() - begin)
            self.losses.append(loss)
            if before is not None:
                self.kept.append((before, self.gradient()))
            if (step + 1) % p.epoch == 0 and len(self.test_labels):
                self.right.append(self.test())
                self.ended.append(sum(self.laps[1:]))

    def test(self) -> int:
        """Return how many of this member's part of the test data are recognised."""
        own = slice(*decomposition.block(len(self.test_labels), self.comm.size, self.comm.rank))
        with torch.no_grad():
            answers = [self.model(x).argmax(1) for x in self.test_inputs[own].split(500)]
        return int((torch.cat(answers) == self.test_labels[own]).sum())

    def flat(self) -> np.ndarray:
        """Return a copy of all weights."""
        return torch.cat([w.detach().reshape(-1) for w in self.weights]).numpy().copy()

    def gradient(self) -> np.ndarray:
        """Return a copy of all gradients."""
        return torch.cat([w.grad.reshape(-1) for w in self.weights if w.grad is not None]).numpy().copy()

    def fields(self) -> dict[str, Field]:
        rank, size = self.comm.rank, self.comm.size
        weights = self.flat()
        own = slice(*decomposition.block(weights.size, size, rank))
        row = (slice(rank, rank + 1), slice(0, len(self.losses)))
        errors = self.errors(weights)
        return {
            "weights": ((own,), weights[own]),
            "loss": (row, np.array([self.losses], np.float32)),
            "error": ((row[0], slice(0, errors.size)), errors[None]),
        }

    def errors(self, weights: np.ndarray) -> np.ndarray:
        """Return how far this member is from a single process: its gradients, its weights, the losses."""
        curve = self.comm.gather(self.losses[:REPLAYED])
        single = None
        if self.comm.rank == 0:
            last = self.problem.repetitions - 1
            gradients = [self.alone([step], w)[1] for step, (w, _) in zip((0, last), self.kept, strict=False)]
            replayed = self.alone(range(min(REPLAYED, len(self.losses))), self.kept[0][0])[0]
            off = np.abs(np.mean(curve, axis=0) / replayed - 1).max()
            single = gradients, weights, float(off)
        gradients, first_weights, off = self.comm.bcast(single)
        found = [relative(g, r) for (_, g), r in zip(self.kept, gradients, strict=True)]
        return np.array([*found, relative(weights, first_weights), off], np.float32)

    def alone(self, steps: Any, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Train from the weights on whole global batches; return the losses and the last gradient."""
        single = models.model(self.problem)
        own = list(single.parameters())
        nn.utils.vector_to_parameters(torch.from_numpy(weights.copy()), own)
        optimizer = torch.optim.SGD(own, self.problem.learning_rate, MOMENTUM)
        losses = []
        for step in steps:
            inputs, labels = self.batch(step, 0, 1)
            optimizer.param_groups[0]["lr"] = learning_rate(self.problem, step)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(single(inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return np.array(losses), torch.cat([w.grad.reshape(-1) for w in own if w.grad is not None]).numpy()

    def findings(self) -> dict[str, Any]:
        compute, step, alone = self.probe()
        return {
            "compute": compute,
            "step": step,
            "alone": alone,
            "table": self.table(),
            "reduced": sum(w.numel() * w.element_size() for w in self.weights) if self.comm.size > 1 else 0,
            "right": self.right,
            "tested": max(1, len(self.test_labels)),
            "ended": self.ended,
            "losses": self.losses,
            "last": self.losses[-1],
        }

    def probe(self) -> tuple[float, float, float]:
        """Return the median seconds of a step without communication, with it, and of communication alone.

        Taken in turns after the run, when nobody needs the weights any more.
        """
        inputs, labels = self.batch(0, self.comm.rank, self.comm.size)
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0
        kinds = (
            lambda: self.train(inputs, labels, self.backward_alone),
            lambda: self.train(inputs, labels, self.backward),
            self.average_only,
        )
        seconds = np.zeros((PROBES, len(kinds)))
        for turn in range(PROBES):
            for number, kind in enumerate(kinds):
                self.comm.barrier()
                begin = time.perf_counter()
                kind()
                seconds[turn, number] = time.perf_counter() - begin
        without, with_it, alone = np.median(seconds, axis=0).tolist()
        return without, with_it, alone

    def table(self) -> float:
        """Return the seconds of a step's messages as the table of prk.allreduce has them: their medians."""
        sizes = Counter(sum(w.nbytes for w in group) for group in self.groups)
        seconds = 0.0
        for size, times in sizes.items():
            problem = Allreduce(min_bytes=size, max_bytes=size, place="in", iterations=PROBES)
            reduce = self.allreduce(problem)
            reduce.repeat(problem.repetitions)
            reduce.close()
            seconds += times * float(np.median(reduce.laps[1:]))
        return seconds

    def backward_alone(self, loss: torch.Tensor) -> None:
        """Compute this member's own gradient and leave it so."""
        loss.backward()


def learning_rate(problem: Ddp, step: int) -> float:
    """Return the step's learning rate: up in the first tenth of the run, down to zero by its end."""
    part = (step + 1) / problem.repetitions
    return problem.learning_rate * min(10 * part, (1.0 - part) / 0.9 + 1e-3)


def relative(found: np.ndarray, right: np.ndarray) -> float:
    """Return the relative difference of two vectors in the Euclidean norm."""
    return float(np.linalg.norm(found - right) / max(float(np.linalg.norm(right)), 1e-30))
