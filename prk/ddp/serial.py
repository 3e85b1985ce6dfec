"""Data-parallel training, serial: every other runtime changes only how gradients are averaged."""

import importlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from prk import decomposition, kernel
from prk.allreduce.problem import Allreduce
from prk.check import Box, Fields
from prk.ddp import audit, checkpoint, models, replay, schedule
from prk.ddp.clock import Clock
from prk.ddp.problem import REPLAYED, Ddp
from prk.ddp.workload import Tensors

# Steps by which computation and communication are told apart after the run.
PROBES = 10
# A loss below this is compared as it is: of a batch that is known by heart nothing is left.
MEMORISED = 1e-2
# What a kernel has seen of its training, a number a step or an epoch.
SEEN = ("laps", "losses", "judgements", "ended", "signed")
# What the names of the optimizer's own numbers begin with in a saved state.
OPTIMIZER = "optimizer "
# Samples that are tested at once.
PIECE = 500


class Kernel(kernel.Kernel[Ddp]):
    """This member's replica of the model, its share of every batch, and the losses it saw."""

    def setup(self) -> None:
        p = self.problem
        self.clock = Clock() if p.ruled else None
        torch.set_num_threads(p.torch_threads)
        # A model that fits its data has gradients so small that the processor would take many times as long.
        torch.set_flush_denormal(True)
        torch.manual_seed(p.seed)
        for name in p.trains.imports:
            importlib.import_module(name)
        if not self.clock:
            self.data, self.tests = models.tensors(p)
        self.model = models.model(p)
        self.weights = list(self.model.parameters())
        self.optimizer = models.optimizer(p, self.weights)
        self.laps: list[float] = []
        self.losses: list[float] = []
        # By epoch: sums over this member's part of the test data, and the seconds of the timed steps; under
        # the rules those of everything, and when the epoch's last step had ended.
        self.judgements: list[list[float]] = []
        self.ended: list[float] = []
        self.stepped: list[float] = []
        # Weights before, and gradient of, the steps that are judged, the first and the last one among them.
        self.judged = audit.steps(p)
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []
        # In an audit, the signs of gradient and weights after each step.
        self.sign = audit.Signs(p.audit, self.flat().size) if p.audit else None
        self.signed: list[tuple[float, float]] = []
        # The gradients that are averaged together; a single process averages none.
        self.groups: list[list[torch.Tensor]] = []
        # Seconds that `probe` found.
        self.probed: dict[str, float] = {}
        self.connect()

    def connect(self) -> None:
        """Prepare the averaging of gradients."""

    def group(self, limit: float) -> list[list[torch.Tensor]]:
        """Return the weights in groups of at most `limit` bytes, or of one.

        Gradients become ready from the last layer to the first.
        """
        found = schedule.buckets([weight.nbytes for weight in self.weights], limit)
        return [[self.weights[place] for place in bucket] for bucket in found]

    def allreduce(self, problem: Allreduce) -> Any:
        """Return this runtime's allreduce, by which the share of communication is predicted."""
        raise NotImplementedError

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradient of the global batch's mean loss, from the mean loss of this member's share."""
        loss.backward()

    def average_only(self) -> None:
        """Average the gradients as they are, with nothing to compute meanwhile."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(*inputs)

    def clear(self) -> None:
        """Set all gradients to zero."""
        self.optimizer.zero_grad(set_to_none=False)

    def batch(self, step: int, rank: int, size: int) -> Tensors:
        """Return one member's share of a step's batch."""
        return self.problem.trains.batch(self.problem, self.data, self.problem.share(step, rank, size), step)

    def batches(self, step: int) -> list[Tensors]:
        """Return this member's micro-batches of a step: shares of as many more members."""
        each = self.problem.accumulate
        first = self.comm.rank * each
        return [self.batch(step, first + number, self.comm.size * each) for number in range(each)]

    def train(self, batches: Sequence[Tensors], backward: Any) -> float:
        """Run one step of the optimizer; return the loss. Gradients add up; the last are averaged."""
        self.clear()
        losses = [self.add(batch, self.backward_alone) for batch in batches[:-1]]
        losses.append(self.add(batches[-1], backward))
        self.optimizer.step()
        return float(sum(loss.item() for loss in losses))

    def add(self, batch: Tensors, backward: Any) -> torch.Tensor:
        """Add a micro-batch's part to the gradient; return its part of the loss."""
        loss = self.problem.trains.loss(self.forward, batch) / self.problem.accumulate
        backward(loss)
        return loss

    def repeat(self, count: int) -> None:
        """Run `count` steps, testing the model after each epoch; only the steps are timed.

        The rules' clock runs from before the data are there to the end of each test.
        """
        p = self.problem
        if self.clock and not self.laps:
            self.clock.run(self.comm)
            self.data, self.tests = models.tensors(p)
        for step in range(len(self.laps), len(self.laps) + count):
            batches = self.batches(step)
            models.set_learning_rate(self.optimizer, p, step)
            before = self.flat() if step in self.judged else None
            begin = time.perf_counter()
            loss = self.train(batches, self.backward)
            self.laps.append(time.perf_counter() - begin)
            self.losses.append(loss)
            if before is not None:
                self.kept.append((before, self.gradient()))
            if self.sign:
                self.signed.append((self.sign(self.gradient()), self.sign(self.flat())))
            if (step + 1) % p.epoch == 0 and len(self.tests[0]):
                self.stepped += [self.clock.seconds()] if self.clock else []
                self.judgements.append(self.test())
                self.ended.append(self.known_by_all(self.clock) if self.clock else sum(self.laps[1:]))
                self.note("epoch", {"number": len(self.judgements), "judged": self.judgements[-1]})

    def test(self) -> list[float]:
        """Return what is summed over this member's part of the test data, by which the model is judged."""
        first, beyond = decomposition.block(len(self.tests[0]), self.comm.size, self.comm.rank)
        trains = self.problem.trains
        with torch.no_grad():
            pieces = [
                trains.judge(self.model, tuple(known[i : min(i + PIECE, beyond)] for known in self.tests))
                for i in range(first, beyond, PIECE)
            ]
        return np.sum(pieces, axis=0).tolist()

    def known_by_all(self, clock: Clock) -> float:
        """Let every member know the quality; return the seconds of the rules' clock. Collective."""
        sums = self.comm.bcast(self.comm.gather(self.judgements[-1]))
        self.problem.trains.judged(np.sum(sums, axis=0))
        return clock.seconds()

    def flat(self) -> np.ndarray:
        """Return a copy of all weights."""
        return torch.cat([w.detach().reshape(-1) for w in self.weights]).numpy().copy()

    def gradient(self) -> np.ndarray:
        """Return a copy of all gradients."""
        return replay.gradients(self.weights)

    def fields(self) -> Fields:
        """Return a share of the weights, the losses, and how far all is from one process. Collective."""
        rank, size = self.comm.rank, self.comm.size
        weights = self.flat()
        own = slice(*decomposition.block(weights.size, size, rank))
        member = slice(rank, rank + 1)
        errors = np.array([self.errors(weights)], np.float32)
        return {
            "weights": Box((own,), weights[own]),
            "loss": Box((member, slice(0, len(self.losses))), np.array([self.losses], np.float32)),
            "error": Box((member, slice(0, errors.size)), errors),
        }

    def errors(self, weights: np.ndarray) -> list[float]:
        """Return how far this member is from a single process: its gradients, its weights, the losses."""
        p, comm = self.problem, self.comm
        (first, first_gradient), *between, (last, last_gradient) = self.kept
        losses, at_first = replay.replay(p, comm, self.batch, range(min(REPLAYED, len(self.losses))), first)
        _, at_last = replay.replay(p, comm, self.batch, [p.repetitions - 1], last)
        curve = replay.mean(comm, np.array(self.losses[: len(losses)]))
        return [
            replay.relative(first_gradient, at_first),
            replay.relative(last_gradient, at_last),
            replay.relative(weights, replay.shared(comm, weights)),
            float((np.abs(curve - losses) / np.maximum(losses, MEMORISED)).max()),
            *(self.audited(between) if p.audit else ()),
        ]

    def audited(self, between: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
        """Return how far it is from a single process in steps between, and from the first member in all."""
        p, comm, worst = self.problem, self.comm, 0.0
        for step, (before, gradient) in zip(self.judged[1:-1], between, strict=True):
            _, right = replay.replay(p, comm, self.batch, [step], before)
            worst = float(np.maximum(worst, replay.relative(gradient, right)))
        signed = np.array(self.signed)
        return [worst, *np.abs(signed - replay.shared(comm, signed)).max(axis=0).tolist()]

    def save(self) -> dict[str, np.ndarray]:
        """Return weights, momentum, and what has been seen of the training so far."""
        held = [self.optimizer.state.get(weight, {}) for weight in self.weights]
        named = {name: [one[name].reshape(-1) for one in held] for name in held[0]}
        return {
            "weights": self.flat(),
            **{f"{OPTIMIZER}{name}": torch.cat(known).numpy().copy() for name, known in named.items()},
            "kept": np.array(self.kept),
            **{name: np.array(getattr(self, name)) for name in SEEN},
        }

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        nn.utils.vector_to_parameters(torch.from_numpy(state["weights"].copy()), self.weights)
        self.optimizer.state.clear()
        for name in (n for n in state if n.startswith(OPTIMIZER)):
            held = torch.from_numpy(state[name].copy())
            # A number for each number of a weight, or one for the whole of it, as the steps it has had.
            shapes = [w.shape if len(held) == len(state["weights"]) else torch.Size() for w in self.weights]
            parts = held.split([shape.numel() for shape in shapes])
            for weight, shape, part in zip(self.weights, shapes, parts, strict=True):
                self.optimizer.state[weight][name.removeprefix(OPTIMIZER)] = part.view(shape)
        self.kept = [(before, gradient) for before, gradient in state["kept"]]
        for name in SEEN:
            setattr(self, name, state[name].tolist())

    def probe(self) -> None:
        """Measure a step without communication and with it, communication alone, and the table of it.

        The medians of turns that begin after a barrier, when nobody needs the weights any more.
        """
        if self.problem.save and self.comm.rank == 0:
            trained = [w.detach().numpy() for w in self.weights]
            checkpoint.save(self.problem.save, self.problem.workload, trained)
        batches = self.batches(0)
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0
        kinds = {
            "compute": lambda: self.train(batches, self.backward_alone),
            "step": lambda: self.train(batches, self.backward),
            "alone": self.average_only,
        }
        seconds = np.zeros((PROBES, len(kinds)))
        for turn in range(PROBES):
            for number, kind in enumerate(kinds.values()):
                self.comm.barrier()
                begin = time.perf_counter()
                kind()
                seconds[turn, number] = time.perf_counter() - begin
        medians = np.median(seconds, axis=0).tolist()
        self.probed = {**dict(zip(kinds, medians, strict=True)), "table": self.table()}

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

    def findings(self) -> dict[str, Any]:
        return {
            **self.probed,
            "reduced": sum(w.numel() * w.element_size() for w in self.weights) if self.comm.size > 1 else 0,
            "judged": self.judgements,
            "ended": self.ended,
            "losses": self.losses,
            "last": self.losses[-1],
            **(self.by_the_rules(self.clock) if self.clock else {}),
        }

    def by_the_rules(self, clock: Clock) -> dict[str, Any]:
        """Return when things happened, as a log of the training states it."""
        tested = len(self.tests[0])
        return {"begun": clock.begun, "start": clock.start, "stepped": self.stepped, "tested": tested}

    def backward_alone(self, loss: torch.Tensor) -> None:
        """Compute this member's own gradient and leave it so."""
        loss.backward()
