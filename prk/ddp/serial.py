"""Data-parallel training, serial: every other runtime changes only how gradients are averaged."""

import importlib
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from prk import decomposition, kernel
from prk.allreduce.problem import Allreduce
from prk.check import Box, Fields
from prk.ddp import audit, checkpoint, models, replay, schedule
from prk.ddp.clock import Clock
from prk.ddp.leakage import leaked
from prk.ddp.problem import AHEAD, REPLAYED, Ddp
from prk.ddp.workload import Tensors

# Steps by which computation and communication are told apart after the run.
PROBES = 10
# Rows and columns of the matrices whose product is taken for the fastest that a core can compute.
SIDE = 512
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
        self.kind = getattr(torch, p.gradients)
        self.device = self.place()
        self.model = models.model(p).to(self.device)
        self.weights: list[torch.Tensor] = list(self.model.parameters())
        # What the optimizer changes: the weights, or what a member has of them.
        self.optimised = self.weights
        self.optimizer = models.optimizer(p, self.optimised)
        self.laps: list[float] = []
        # Seconds in which a step's data were got ready.
        self.fetched: list[float] = []
        self.losses: list[float] = []
        # By epoch: sums over this member's part of the test data, and the seconds of the timed steps; under
        # the rules those of everything, and when the epoch's last step had ended.
        self.judgements: list[list[float]] = []
        self.ended: list[float] = []
        self.stepped: list[float] = []
        # The parts of the test data that the last test took.
        self.tested: list[Tensors] = []
        # Weights before, and gradient of, the steps that are judged, the first and the last one among them.
        self.judged = audit.steps(p)
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []
        # In an audit, the signs of gradient and weights after each step.
        self.sign = audit.Signs(p.audit, self.flat().size) if p.audit else None
        self.signed: list[tuple[float, float]] = []
        # Seconds that `probe` found.
        self.probed: dict[str, float] = {}
        # Seconds of the timed steps of earlier runs.
        self.spent = 0.0
        self.connect()
        if p.resume:
            self.go_on(checkpoint.read(p.resume))

    def place(self) -> torch.device:
        """Return where the model is and computes; data are gathered in the host's memory."""
        return torch.device("cpu")

    def connect(self) -> None:
        """Prepare the averaging of gradients."""

    def group(self, limit: float) -> list[list[torch.Tensor]]:
        """Return the weights in groups of at most `limit` bytes, or of one.

        Gradients become ready from the last layer to the first.
        """
        found = schedule.buckets([weight.nbytes for weight in self.weights], limit)
        return [[self.weights[place] for place in bucket] for bucket in found]

    def messages(self) -> list[tuple[str, int]]:
        """Return the collectives of a step with their bytes, as prk.allreduce counts them."""
        return []

    def allreduce(self, problem: Allreduce) -> Any:
        """Return this runtime's collective, by which the share of communication is predicted."""
        raise NotImplementedError

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradient of the global batch's mean loss, from the mean loss of this member's share."""
        loss.backward()

    def average_only(self) -> None:
        """Average the gradients as they are, with nothing to compute meanwhile."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(*inputs)

    def asked(self, *inputs: torch.Tensor) -> Any:
        """Return in the host's memory what a model elsewhere says of inputs that are there."""
        return tree_map(torch.Tensor.cpu, self.model(*(known.to(self.device) for known in inputs)))

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
        shares = [self.batch(step, first + number, self.comm.size * each) for number in range(each)]
        return [tuple(known.to(self.device) for known in share) for share in shares]

    def fetch(self, steps: Sequence[int]) -> Iterator[list[Tensors]]:
        """Yield the steps' batches, several of which are made ready at once: by code that is in the cache."""
        for first in range(0, len(steps), AHEAD):
            begin = time.perf_counter()
            ready = [self.batches(step) for step in steps[first : first + AHEAD]]
            self.fetched += [(time.perf_counter() - begin) / len(ready)] * len(ready)
            yield from ready

    def train(self, batches: Sequence[Tensors], backward: Any) -> float:
        """Run one step of the optimizer; return the loss. Gradients add up; the last are averaged."""
        self.clear()
        losses = [self.add(batch, self.backward_alone) for batch in batches[:-1]]
        losses.append(self.add(batches[-1], backward))
        self.update(backward == self.backward_alone)
        return float(sum(loss.item() for loss in losses))

    def update(self, alone: bool) -> None:
        """Change the weights by the gradients; alone: without the others."""
        self.optimizer.step()

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
        steps = range(len(self.losses), len(self.losses) + count)
        for step, batches in zip(steps, self.fetch(steps), strict=True):
            models.set_learning_rate(self.optimizer, p, step)
            before = self.flat() if step in self.judged else None
            begin = time.perf_counter()
            loss = self.train(batches, self.backward)
            self.laps.append(time.perf_counter() - begin)
            self.losses.append(loss)
            if before is not None:
                self.kept.append((before, self.gradient()))
            if self.sign:
                self.signed.append(self.signs(self.sign))
            if (step + 1) % p.epoch == 0 and len(self.tests[0]):
                self.stepped += [self.clock.seconds()] if self.clock else []
                self.judgements.append(self.test())
                self.ended.append(self.known_by_all(self.clock) if self.clock else self.timed())
                self.note("epoch", {"number": len(self.judgements), "judged": self.judgements[-1]})
            if p.save_every and (step + 1) % p.save_every == 0 and step + 1 < p.repetitions:
                self.keep()

    def timed(self) -> float:
        """Return the seconds of the steps that were timed, in earlier runs too."""
        return self.spent + sum(self.laps[1:])

    def keep(self) -> None:
        """Write what the training needs to go on, whole or not at all. Collective.

        It is of no member: losses are their mean, and what was judged is the sum over them.
        """
        p, comm, begin = self.problem, self.comm, time.perf_counter()
        gathered = comm.gather((self.losses, self.judgements, self.ended, self.timed()))
        trained = self.trained()
        before, gradient = self.kept[0]
        first = np.array([before, self.completed(gradient)])
        if comm.rank == 0 and gathered:
            losses, judged, ended, timed = zip(*gathered, strict=True)
            state = {
                **{name: values for name, values in trained.items() if name != "weights"},
                checkpoint.STEPS: len(self.losses),
                checkpoint.SAME: json.dumps(p.same(p.repetitions)),
                "losses": np.mean(losses, axis=0),
                "judgements": np.sum(judged, axis=0),
                "ended": np.max(ended, axis=0),
                "timed": max(timed),
                "first": first,
            }
            weights = [weight.detach().cpu().numpy() for weight in self.weights]
            checkpoint.save(p.save, p.workload, weights, state)
        self.note("check-point", {"step": len(self.losses), "seconds": time.perf_counter() - begin})

    def go_on(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up what `keep` wrote, on any number of members: sums are the first one's."""
        weights = np.concatenate([one.reshape(-1) for one in checkpoint.weights_of(state)])
        self.take_up({**state, "weights": weights})
        first = self.comm.rank == 0
        self.losses = state["losses"].tolist()
        self.judgements = (state["judgements"] if first else 0 * state["judgements"]).tolist()
        self.ended, self.spent = state["ended"].tolist(), float(state["timed"])
        before, gradient = state["first"]
        self.kept = [(before, self.parted(gradient))]

    def test(self) -> list[float]:
        """Return what is summed over this member's part of the test data, by which the model is judged."""
        first, beyond = decomposition.block(len(self.tests[0]), self.comm.size, self.comm.rank)
        trains = self.problem.trains
        model = self.model if self.device.type == "cpu" else self.asked
        with torch.no_grad():
            self.tested = [
                tuple(known[i : min(i + PIECE, beyond)] for known in self.tests)
                for i in range(first, beyond, PIECE)
            ]
            pieces = [trains.judge(model, part) for part in self.tested]
        return np.sum(pieces, axis=0).tolist()

    def known_by_all(self, clock: Clock) -> float:
        """Let every member know the quality; return the seconds of the rules' clock. Collective."""
        sums = self.comm.bcast(self.comm.gather(self.judgements[-1]))
        self.problem.trains.judged(np.sum(sums, axis=0))
        return clock.seconds()

    def flat(self) -> np.ndarray:
        """Return a copy of all weights."""
        return torch.cat([w.detach().reshape(-1) for w in self.weights]).cpu().numpy().copy()

    def gradient(self) -> np.ndarray:
        """Return a copy of all gradients that this member's optimizer is given."""
        grads = [part.grad.reshape(-1) for part in self.optimised if part.grad is not None]
        return torch.cat(grads).cpu().numpy().copy()

    def completed(self, gradient: np.ndarray) -> np.ndarray:
        """Return the whole gradient, of which every member gives what its `gradient` was. Collective."""
        return gradient

    def parted(self, gradient: np.ndarray) -> np.ndarray:
        """Return what `gradient` would be of the whole one."""
        return gradient

    def signs(self, sign: audit.Signs) -> tuple[float, float]:
        """Return the signs of gradient and weights, which all members must have alike."""
        return sign(self.gradient()), sign(self.flat())

    def whole(self, parts: Sequence[torch.Tensor]) -> np.ndarray:
        """Return, in the weights' order, a copy of numbers known for all that is optimised. Collective."""
        return torch.cat([part.reshape(-1) for part in parts]).cpu().numpy().copy()

    def split(self, vector: np.ndarray) -> list[torch.Tensor]:
        """Return what `whole` has put together, each part as what is optimised is shaped."""
        return replay.parts(vector, self.weights)

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
        begun = replay.replay(p, comm, self.batch, range(min(REPLAYED, len(self.losses))), first)
        ended = replay.replay(p, comm, self.batch, [p.repetitions - 1], last)
        curve = replay.mean(comm, np.array(self.losses[: len(begun.losses)]))
        apart = np.abs(curve - begun.losses) / np.maximum(begun.losses, MEMORISED)
        return [
            begun.error(self.completed(first_gradient)),
            ended.error(self.completed(last_gradient)),
            replay.relative(weights, replay.shared(comm, weights)),
            # A step changes the loss by about as large a part of itself as its gradient is wrong.
            float(apart.max()) * begun.norm / begun.scale,
            leaked(p.trains.identity(self.data), map(p.trains.identity, self.tested)),
            *(self.audited(between) if p.audit else ()),
        ]

    def audited(self, between: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
        """Return how far it is from a single process in steps between, and from the first member in all."""
        p, comm, worst = self.problem, self.comm, 0.0
        for step, (before, gradient) in zip(self.judged[1:-1], between, strict=True):
            right = replay.replay(p, comm, self.batch, [step], before)
            worst = float(np.maximum(worst, right.error(self.completed(gradient))))
        signed = np.array(self.signed)
        return [worst, *np.abs(signed - replay.shared(comm, signed)).max(axis=0).tolist()]

    def save(self) -> dict[str, np.ndarray]:
        """Return weights, momentum, and what has been seen of the training so far."""
        return {
            **self.trained(),
            "kept": np.array(self.kept),
            **{name: np.array(getattr(self, name)) for name in SEEN},
        }

    def trained(self) -> dict[str, np.ndarray]:
        """Return weights, and what the optimizer knows of them. Collective."""
        held = [self.optimizer.state.get(part, {}) for part in self.optimised]
        named = {name: [one[name] for one in held] for name in held[0]}
        return {
            "weights": self.flat(),
            # A number for each number of a weight, or one for all of them, as the steps that they have had.
            **{
                f"{OPTIMIZER}{name}": self.whole(known) if known[0].dim() else known[0].cpu().numpy().copy()
                for name, known in named.items()
            },
        }

    def take_up(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `trained` has returned, on any number of members."""
        with torch.no_grad():
            for part, values in zip(self.weights, replay.parts(state["weights"], self.weights), strict=True):
                part.copy_(values)
        self.optimizer.state.clear()
        for name in (n for n in state if n.startswith(OPTIMIZER)):
            known = state[name]
            parts = self.split(known) if known.ndim else [torch.tensor(known) for _ in self.optimised]
            for part, values in zip(self.optimised, parts, strict=True):
                # Counts stay in the host's memory.
                own = values.to(self.device) if values.dim() else values
                self.optimizer.state[part][name.removeprefix(OPTIMIZER)] = own

    def restore(self, state: Mapping[str, np.ndarray], repetition: int) -> None:
        self.take_up(state)
        self.kept = [(before, gradient) for before, gradient in state["kept"]]
        for name in SEEN:
            setattr(self, name, state[name].tolist())

    def probe(self) -> None:
        """Measure a step without communication and with it, communication alone, and the table of it.

        The medians of turns that begin after a barrier, when nobody needs the weights any more.
        """
        if self.problem.save:
            self.keep()
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
        self.probed = {
            **dict(zip(kinds, medians, strict=True)),
            "table": self.table(),
            "flop": self.flop(batches),
            "peak": self.peak(),
        }

    def flop(self, batches: Sequence[Tensors]) -> int:
        """Return this member's flop of a step: products and convolutions, 2 a multiplication and addition.

        Recurrent layers and attention are taken apart into their products, as only those are counted.
        """
        single = models.model(self.problem)
        # That there is no Intel GPU need not be said.
        silence = warnings.catch_warnings(action="ignore", category=UserWarning)
        recurrent, attention = torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH)
        with silence, recurrent, attention, FlopCounterMode(display=False) as counter:
            for batch in batches:
                self.problem.trains.loss(single, tuple(known.cpu() for known in batch)).backward()
        return int(counter.get_total_flops())

    def peak(self) -> float:
        """Return the flop a second of products of matrices in single precision, while all members do them."""
        a, b, out = (torch.ones(SIDE, SIDE, device=self.device) for _ in range(3))
        seconds = []
        self.comm.barrier()
        for _ in range(PROBES):
            begin = time.perf_counter()
            torch.mm(a, b, out=out)[0, 0].item()
            seconds.append(time.perf_counter() - begin)
        return 2 * SIDE**3 / min(seconds)

    def table(self) -> float:
        """Return the seconds of a step's messages as the table of prk.allreduce has them: their medians."""
        seconds = 0.0
        if self.device.type != "cpu":
            # The table is of messages in the host's memory.
            return seconds
        for (collective, exact), times in Counter(self.messages()).items():
            # Of numbers in single precision, as many for each member.
            unit = 4 * (1 if collective == "allreduce" else self.comm.size)
            size = -(-exact // unit) * unit
            problem = Allreduce(
                collective=collective, min_bytes=size, max_bytes=size, place="in", iterations=PROBES
            )
            reduce = self.allreduce(problem)
            reduce.repeat(problem.repetitions)
            reduce.close()
            seconds += times * float(np.median(reduce.laps[1:]))
        return seconds

    def findings(self) -> dict[str, Any]:
        return {
            **self.probed,
            "reduced": sum(size for _, size in self.messages()) if self.comm.size > 1 else 0,
            "data": float(np.mean(self.fetched[1:] or self.fetched)),
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
