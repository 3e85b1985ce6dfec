"""Inference under load, serial: the first member takes queries and computes their answers.

Every other runtime changes only who computes: `workers`, `submit`, `collect`, `work` and `release`.
"""

import sys
import time
from collections import Counter, deque
from dataclasses import replace
from queue import SimpleQueue
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from prk import kernel
from prk.check import Box, Fields
from prk.ddp import checkpoint
from prk.ddp import serial as training
from prk.inference import audit, quantise
from prk.inference.problem import TAILS, Inference
from prk.inference.queue import Batch, Queue
from prk.inference.traffic import Intervals, LoadGen, Own, Plan, Result, Traffic
from prk.problem import Refusal, Unanimous
from prk.team import Solo

# Seconds after which a member that has not answered is given up, and between two looks at that.
PATIENCE, LOOK = 60.0, 0.25
# Samples that are computed at once where nobody waits.
PIECE = 500
# How close the search for a level comes, by --quick; how far it goes down after a run that missed, how often.
CLOSE, LESS, MOST = {"off": 1.05, "on": 1.3}, 0.95, 40
# Of the runs by which it searches: the part of a run's queries, their least number, and seconds.
PART, FEWEST, SECONDS = 0.01, 500, 2.0
# The least queries that have a 99th percentile.
FEW = 100
# Bounds that a server's run lasts at least, and the part of the time by which its queries may come too fast.
BOUNDS, SLACK = 4, 1.2
# The part of its bound that a batch of a server takes at most.
WAITS = 1 / 3
# How often a short run is tried, until one holds: what else the machine does only adds.
TRIES = 3
# Queries by which the time of one alone is known.
ALONE = 20
# Seconds after which a thread gives way to another one: queries come from another one than answers.
SWITCH = 1e-4


class Kernel(kernel.Kernel[Inference]):
    """This member's model; on the first one also the queries, and what became of them."""

    def setup(self) -> None:
        p = self.problem
        torch.set_num_threads(p.torch_threads)
        torch.set_flush_denormal(True)
        self.trains, self.number = p.trains, 0
        self.laps: list[float] = []
        data, tested = p.trains.data(p.trained)
        self.given = tested
        self.tests = tuple(map(torch.from_numpy, map(np.ascontiguousarray, tested)))
        self.model = self.trained(p.trains.model(p.trained))
        leads = self.comm.rank == 0
        single = self.answers() if leads else np.empty(0)
        if p.precision == "int8":
            samples = tuple(map(torch.from_numpy, map(np.ascontiguousarray, data)))
            self.model = quantise.quantised(self.model, p.trains, p.trained, samples)
        self.queue = Queue(p.max_batch, p.delay / 1e3)
        self.asked: dict[int, deque[Batch]] = {worker: deque() for worker in self.workers()}
        self.free: deque[int] = deque()
        self.arrived: SimpleQueue = SimpleQueue()
        self.traffic: Traffic
        self.wrong = self.unanswered = 0
        self.level = p.qps if p.scenario == "server" else float(p.streams)
        self.given_level = self.level > 0
        # Seconds of a query alone, and of a sample among all.
        self.alone = self.each = 1e-3
        # Samples a second where nobody waits, and seconds in which no worker then runs out of batches.
        self.offline = self.rest = 0.0
        # Queries a second of a server's last run.
        self.rate = 1.0
        self.runs: list[dict[str, Any]] = []
        # When each worker was heard of last, or was asked after a rest.
        self.heard: dict[int, float] = {}
        self.clear()
        self.found: list[float] = []
        if leads:
            # What the serial model answers.
            self.right = self.answers() if p.precision == "int8" else single
            self.answered = np.zeros_like(self.right)
            self.float32 = self.quality(single)
        self.connect()

    def connect(self) -> None:
        """Prepare communication."""

    def trained(self, model: nn.Module) -> nn.Module:
        """Give a model the weights that the first member has read, or has trained at once."""
        weights, refusal = [], None
        if self.comm.rank == 0:
            try:
                weights = self.weights()
            except Refusal as error:
                refusal = str(error)
        weights, refusal = self.comm.bcast((weights, refusal))
        if refusal:
            raise Again(refusal)
        with torch.no_grad():
            for own, values in zip(model.parameters(), weights, strict=True):
                own.copy_(torch.from_numpy(values.reshape(own.shape)))
        return model.eval().requires_grad_(False)

    def weights(self) -> list[np.ndarray]:
        """Return the trained weights."""
        p = self.problem
        if p.checkpoint:
            return checkpoint.load("--checkpoint", p.checkpoint, p.trains, p.trained)
        made = training.Kernel(p.trained, Solo(), {})
        made.repeat(p.trained.repetitions)
        return [weight.detach().numpy().copy() for weight in made.weights]

    # What computes.

    def compute(self, samples: np.ndarray) -> np.ndarray:
        """Return the model's answers to some samples, a row each."""
        index = torch.from_numpy(samples)
        with torch.inference_mode():
            asked = tuple(known[index] for known in self.tests)
            return np.ascontiguousarray(self.trains.answer(self.model, asked).numpy(), np.float32)

    def answers(self) -> np.ndarray:
        """Return the serial model's answers to all samples, whatever `compute` does."""
        pieces = range(0, len(self.tests[0]), PIECE)
        with torch.inference_mode():
            parts = [
                self.trains.answer(self.model, tuple(known[i : i + PIECE] for known in self.tests))
                for i in pieces
            ]
        return np.ascontiguousarray(torch.cat(parts).numpy(), np.float32)

    def quality(self, answers: np.ndarray) -> float:
        """Return the quality of answers to all samples."""
        return self.trains.judged(self.trains.judge_answers(torch.from_numpy(answers), self.tests))

    # What a runtime has of its own.

    def workers(self) -> list[int]:
        """Return the members that compute."""
        return [0]

    def depth(self) -> int:
        """Return how many batches of the current run a worker is given before it has answered the first."""
        return 1

    def submit(self, worker: int, batch: Batch) -> None:
        """Have a worker compute a batch."""
        begin = time.perf_counter()
        outputs = self.compute(batch.samples)
        self.complete(worker, outputs, time.perf_counter() - begin)

    def collect(self, seconds: float) -> None:
        """Complete the batches that are answered; if there are none, wait for them or for queries."""
        if self.arrived.empty():
            self.queue.wait(seconds)
        while not self.arrived.empty():
            answer = self.arrived.get()
            if isinstance(answer, BaseException):
                raise answer
            self.complete(*answer)

    def hear(self, answer: Any) -> None:
        """Have `collect` take in what another thread says of a batch, as for `complete`, or its error."""
        self.arrived.put(answer)
        with self.queue.news:
            self.queue.tell()

    def work(self) -> None:
        """Compute what the first member asks for, until it asks for no more."""

    def release(self) -> None:
        """Let the others end their work."""

    # What the first member does.

    def repeat(self, count: int) -> None:
        """Run accuracy and the search for the level first, then a timed run a repetition."""
        for _ in range(count):
            self.laps.append(self.together(self.first if self.number == 0 else self.timed))
            self.number += 1

    def together(self, lead: Any) -> float:
        """Let the first member lead while the others work; return its time, everywhere. Collective."""
        seconds, refusal = 0.0, None
        if self.comm.rank == 0:
            switch = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH)
            try:
                seconds = lead()
            except Refusal as error:
                refusal = str(error)
            finally:
                sys.setswitchinterval(switch)
            self.release()
        else:
            self.work()
        seconds, refusal = self.comm.bcast((seconds, refusal))
        if refusal:
            raise Again(refusal)
        return float(seconds)

    def first(self) -> float:
        """Answer every sample once, then find the level at which the timed runs begin."""
        p = self.problem
        samples = len(self.right)
        alone = Own(self.queue, samples, [[s % samples] for s in range(ALONE)])
        self.play(alone)
        # What else the machine does only adds.
        self.alone = min(alone.times)
        plan = replace(self.plan(0.0, 0), scenario="offline")
        every = self.play(LoadGen(self.queue, samples, replace(plan, accuracy=True)))
        self.each = every.seconds / samples
        self.rest = self.each * p.max_batch * len(self.workers()) / 2
        if p.scenario == "server":
            self.prepare(plan)
        if not self.level:
            self.level = self.search()
        return 0.0

    def prepare(self, plan: Plan) -> None:
        """See what a server gives where nobody waits, by an offline `plan`, and how large batches may be."""
        p = self.problem
        if 1e3 * self.alone > p.bound:
            works = f"use at least {2e3 * self.alone:.3g}"
            raise Refusal(
                "--bound", f"{p.bound:g} ms, and a sample alone takes {1e3 * self.alone:.3g}", works
            )
        _, _, count = TAILS["offline"]
        plan = replace(plan, queries=count, seconds=min(p.least, SECONDS), expected=self.each / 2)
        found = self.play(LoadGen(self.queue, len(self.right), plan))
        self.offline = found.samples / found.seconds
        # Whoever comes while a batch is computed waits for that and then for the own one.
        most = int(WAITS * p.bound / 1e3 * self.offline / len(self.asked))
        self.queue.most = max(1, min(p.max_batch, most))

    def timed(self) -> float:
        """Run once at the level, or as far below it as the bound wants; return the seconds."""
        for _ in range(MOST):
            self.clear()
            result = self.play(self.made(self.level, self.problem.count, self.problem.least))
            if self.given_level or self.holds(result):
                self.note_run(result)
                return result.seconds
            self.level = self.lower(self.level)
        option = "--bound" if self.problem.scenario == "server" else "--interval"
        raise Refusal(option, f"no level kept it in {MOST} runs", "allow more milliseconds")

    def plan(self, level: float, queries: int, seconds: float = 0.0) -> Plan:
        """Return a run of the problem's scenario at a level."""
        p = self.problem
        return Plan(
            scenario=p.scenario,
            queries=max(1, queries),
            seconds=seconds,
            seed=p.seed,
            percentile=p.percentile,
            rate=level,
            streams=max(1, int(level)) if "multi" in p.scenario else 1,
            bound=p.bound / 1e3,
            interval=p.interval / 1e3,
            # LoadGen makes too few queries for the duration if an answer takes less than it expects.
            expected=self.each / 2 if p.scenario == "offline" else self.alone / 4,
        )

    def made(self, level: float, queries: int, seconds: float) -> Traffic:
        """Return the queries of a run."""
        if self.problem.scenario == "server":
            self.rate, seconds = level, max(seconds, BOUNDS * self.problem.bound / 1e3)
        plan, samples = self.plan(level, queries, seconds), len(self.right)
        kind: Any = Intervals if plan.scenario == "multi-stream-interval" else LoadGen
        traffic: Traffic = kind(self.queue, samples, plan)
        return traffic

    def holds(self, result: Result) -> bool:
        """Tell whether a run kept the scenario's limit, if it has one."""
        p = self.problem
        if p.scenario == "server":
            bound = p.bound / 1e3
            # Of a run that is short beside its bound, nothing might be late of what comes much too fast.
            kept = result.seconds <= SLACK * result.queries / self.rate + bound
            return kept and result.latencies[p.percentile] <= bound
        return p.scenario != "multi-stream-interval" or result.late <= 1 - p.percentile

    def lower(self, level: float) -> float:
        """Return the next level to try after one that missed."""
        return level * LESS if self.problem.scenario == "server" else max(1.0, level - max(1, level // 20))

    def search(self) -> float:
        """Return the largest level at which a short run holds, by doubling, then by halves."""
        p = self.problem
        if p.scenario == "multi-stream":
            return 8.0
        if p.scenario not in ("server", "multi-stream-interval"):
            return 0.0
        serves = p.scenario == "server"
        low, high = 0.0, (0.5 / self.alone if serves else 1.0)
        while self.tried(high):
            low, high = high, 2 * high
        if not low and not serves:
            works = f"use at least {2 * p.interval:g}"
            raise Refusal("--interval", f"a sample does not keep {p.interval:g} ms", works)
        close = CLOSE[p.quick]
        while high > max(close * low, low + (not serves)):
            middle = (low + high) / 2 if serves else (low + high) // 2
            low, high = (middle, high) if self.tried(middle) else (low, middle)
            if serves and high < 0.05 / self.alone:
                works = f"use at least {2 * p.bound:g}"
                raise Refusal("--bound", f"no rate of queries keeps {p.bound:g} ms", works)
        return low

    def tried(self, level: float) -> bool:
        """Tell whether a short run at a level holds."""
        p = self.problem
        quick = p.quick == "on"
        queries = p.count if quick else max(FEWEST, int(PART * p.count))
        if p.scenario == "multi-stream-interval":
            queries = min(queries, FEW)
        elif p.scenario == "server":
            # A slow system is not asked for a minute.
            queries = min(queries, max(FEW, int(SECONDS * level)))
        seconds = p.least if quick else min(SECONDS, p.least)
        return any(self.holds(self.play(self.made(level, queries, seconds))) for _ in range(TRIES))

    def clear(self) -> None:
        """Begin to count batches anew."""
        self.batches: Counter[int] = Counter()
        self.computed: list[float] = []

    def play(self, traffic: Traffic) -> Result:
        """Answer the queries of one run; return what it showed. Raises RuntimeError if a member is silent."""
        self.traffic = traffic
        self.free = deque(self.workers() * self.depth())
        result = traffic.play(self.serve)
        self.unanswered += traffic.issued - traffic.answered
        return result

    def serve(self) -> None:
        """Give batches to whoever is free, and complete what is answered, until nothing is pending."""
        traffic, queue = self.traffic, self.queue
        look = time.perf_counter() + LOOK
        while traffic.pending:
            due = queue.due()
            if due <= 0 and self.free:
                worker, batch = self.free.popleft(), queue.take()
                if not self.asked[worker]:
                    self.heard[worker] = time.perf_counter()
                self.asked[worker].append(batch)
                self.submit(worker, batch)
                continue
            self.collect(min(due if self.free else LOOK, LOOK))
            if time.perf_counter() > look:
                look = time.perf_counter() + LOOK
                self.look()

    def look(self) -> None:
        """Raise RuntimeError if a member has been silent for too long."""
        now = time.perf_counter()
        for worker, batches in self.asked.items():
            if batches and now - self.heard[worker] > PATIENCE:
                raise RuntimeError(f"member {worker} has not answered for {PATIENCE:g} s")

    def complete(self, worker: int, outputs: np.ndarray, seconds: float) -> None:
        """Take a worker's answers to the first batch that it was given, which took it so many seconds.

        Raises RuntimeError if they are not as many as the samples.
        """
        batch = self.asked[worker].popleft()
        if len(outputs) != len(batch.ids):
            # The run would wait for the others for ever.
            raise RuntimeError(f"member {worker} has answered {len(outputs)} of {len(batch.ids)} samples")
        self.free.append(worker)
        self.traffic.complete(batch.ids, outputs)
        # The latency ends above; what follows is no part of it.
        self.heard[worker] = time.perf_counter()
        self.batches[len(outputs)] += 1
        if len(self.computed) < 10_000:
            self.computed.append(seconds)
        alike = self.trains.agree(outputs, self.right[batch.samples])
        self.wrong += len(outputs) - int(np.count_nonzero(alike))
        self.answered[batch.samples] = outputs

    def note_run(self, result: Result) -> None:
        """Keep what a timed run showed."""
        total = sum(self.batches.values())
        self.sizes = sorted(self.batches.items())
        self.runs.append(
            {
                "level": self.level,
                "offline": self.offline,
                "held": self.holds(result),
                "queries": result.queries,
                "samples": result.samples,
                "seconds": result.seconds,
                "latencies": sorted(result.latencies.items()),
                "tail": result.latencies.get(self.problem.percentile, 0.0),
                "late": result.late,
                "valid": result.valid,
                "why": result.why,
                "early": result.early,
                "batch": sum(size * n for size, n in self.batches.items()) / total,
                "compute": median(self.computed),
            }
        )

    # What is looked at.

    def fields(self) -> Fields:
        """Return all answers, on the first member, and what is wrong with them; audits. Collective."""
        p, rank = self.problem, self.comm.rank
        samples, numbers = p.trains.answers(p.trained)
        if p.audit and not self.found:
            self.found = self.audited()
        errors = np.zeros((1, len(p.criteria)), np.float32)
        answers, own = np.empty((0, numbers), np.float32), slice(0, 0)
        if rank == 0:
            answers, own = self.answered, slice(0, samples)
            lost = 1 - p.kept(self.quality(self.answered), self.float32)
            errors[0] = [self.wrong, self.unanswered, lost, *self.found]
        return {
            "answers": Box((own, slice(0, numbers)), answers),
            "error": Box((slice(rank, rank + 1), slice(0, len(p.criteria))), errors),
        }

    def audited(self) -> list[float]:
        """Return what the audit finds, on the first member. Collective."""
        p, before = self.problem, self.tests
        wrong, kept = self.wrong, getattr(self, "answered", None)
        ratios = []
        for trial in range(audit.TRIALS):
            # Nobody can remember what this trial asks for.
            self.take(audit.unseen(self.given, p.audit + trial))
            times: list[float] = []
            self.together(lambda times=times, trial=trial: self.repeated(times, trial))
            ratios.append(times)
        self.tests = before
        unseen = self.wrong - wrong
        if kept is not None:
            self.right, self.answered = self.answers(), kept
        self.wrong = wrong
        seeds: list[list[float]] = []
        for trial in range(audit.TRIALS):
            self.together(lambda trial=trial: self.seeded(seeds, trial))
        if kept is None:
            return []
        return [unseen, *(shortest(of) for of in (ratios, seeds))]

    def take(self, arrays: Any) -> None:
        """Serve other samples."""
        self.tests = tuple(map(torch.from_numpy, arrays))
        if self.comm.rank == 0:
            self.right = self.answers()
            self.answered = np.zeros_like(self.right)

    def repeated(self, times: list[float], trial: int) -> float:
        """Ask for different samples, then as often for one; note the seconds of both."""
        samples, seed = len(self.right), self.problem.audit + trial
        for asked in (audit.different(samples, seed), audit.same(samples, seed)):
            times.append(self.play(Own(self.queue, samples, asked)).latencies[0.5])
        return 0.0

    def seeded(self, seeds: list[list[float]], trial: int) -> float:
        """Ask as LoadGen does with another seed, then with the usual one; note the seconds of both."""
        plan, samples = self.plan(0.0, audit.SAMPLES), len(self.right)
        other = replace(plan, scenario="single-stream", percentile=0.9, seed=self.problem.audit + trial)
        pair = [other, replace(other, seed=plan.seed)]
        seeds.append([self.play(LoadGen(self.queue, samples, one)).latencies[0.5] for one in pair])
        return 0.0

    def findings(self) -> dict[str, Any]:
        if self.comm.rank > 0:
            return {}
        overhead = None
        if self.problem.scenario == "single-stream":
            overhead = dict(self.runs[0]["latencies"])[0.5] - self.runs[0]["compute"]
        return {
            "runs": self.runs,
            "quality": self.quality(self.answered),
            "float32": self.float32,
            "overhead": overhead,
            "batches": self.sizes,
        }


class Again(Unanimous):
    """What the first member was refused, said by all."""

    def __init__(self, said: str):
        Exception.__init__(self, said)


def shortest(times: list[list[float]]) -> float:
    """Return how many times as long the first of two takes as the second, by the shortest of each."""
    first, second = (min(one) for one in zip(*times, strict=True))
    return first / second
