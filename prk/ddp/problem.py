"""Data-parallel training: what is trained, on which global batch, and how right training is recognised."""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import mean, pstdev
from typing import Any, ClassVar

import numpy as np

from prk import decomposition
from prk.check import Check, Fields, Largest, Partial, Smallest, Target
from prk.cost import Cost
from prk.coverage import Whole
from prk.ddp import checkpoint, workload
from prk.ddp.compression import FORMATS, Format
from prk.ddp.workload import INSIDE, OUTSIDE, Workload
from prk.metric import Metric
from prk.problem import Curve, Measured, Problem, Refusal, parameter

# Relative error of a gradient in single precision, whose sums are ordered differently on other ranks.
TOLERANCE = 1e-4
# Steps that are trained once more for the check.
REPLAYED = 5
LOSSES = f"relative error of the loss in the first {REPLAYED} steps"
# Two pictures of the same thing are in the data of others; a test by the training data has nothing else.
LEAKED, DOUBLES = "share of the test samples that are trained on", 0.01
CRITERIA = (
    "relative error of the first step's gradient",
    "relative error of the last step's gradient",
    "relative difference of the ranks' weights",
    LOSSES,
    LEAKED,
)
# What an audit judges besides.
AUDITED = (
    "relative error of the gradient in a step between",
    "relative difference of the ranks' gradients in any step",
    "relative difference of the ranks' weights after any step",
)
# Steps whose batches are made ready at once.
AHEAD = 16
# Bins of the histogram of steps.
BINS = 24
# How a training may be timed; and what is said wherever a figure of the rules appears.
STEPS, MLPERF = "none", "mlperf"
REMARK = "MLPerf-style rules, not an MLPerf result"
# What the rules' logs are written with.
LOGGING = "mlperf_logging"
RATE = Metric("rate", "samples/s")
SECONDS = Metric("time to target", "s", larger_is_better=False, kind="time to target")


@dataclass(frozen=True, kw_only=True)
class Ddp(Problem):
    """Workload, batch and length of a training run."""

    title: ClassVar[str] = "data-parallel training"
    metrics: ClassVar[tuple[Metric, ...]] = (RATE, *workload.qualities(), SECONDS)
    requires: ClassVar[tuple[str, ...]] = ("torch", "sklearn")
    install: ClassVar[str] = (
        "pip install 'prk[ml]' --extra-index-url https://download.pytorch.org/whl/cpu (its CPU build)"
    )
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "seed": ("seed", "d"),
        "throughput": ("samples/s", ".1f"),
        "step": ("step (ms)", ".3f"),
        "compute": ("compute (ms)", ".3f"),
        "exposed": ("exposed (ms)", ".3f"),
        "share": ("exposed share", ".3f"),
        "hidden": ("hidden (ms)", ".3f"),
        "efficiency": ("efficiency", ".3f"),
        "reduced": ("reduced (B/step)", "d"),
        "predicted": ("predicted share", ".3f"),
        "data": ("data share", ".4f"),
        "parameters": ("parameters", "d"),
        "flop": ("flop/step", "d"),
        "mfu": ("MFU", ".4f"),
        "loss": ("last loss", ".5f"),
        "quality": ("quality", ".4f"),
        "epochs": ("epochs to target", "d"),
        "seconds": ("time to target (s)", ".3f"),
    }

    curves: ClassVar[tuple[Curve, ...]] = (
        Curve("exposed communication", "exposed"),
        Curve("share of exposed communication", "share"),
        Curve("model flop utilisation", "mfu"),
        Curve("steps by their time", "steps", "step (ms)", "step times"),
        Curve("time to quality", "seconds"),
        Curve("epochs to quality", "epochs"),
        Curve("epochs to quality over the batch", "epochs", "batch"),
        Curve("quality of all trainings", "quality", "epoch", "quality curves"),
    )

    portrait: ClassVar[tuple[str, ...]] = (
        "parameters", "flop", "epochs", "seconds", "quality", "throughput", "step", "share", "data", "mfu",
    )  # fmt: skip
    varying: ClassVar[tuple[str, ...]] = ("epochs", "seconds")

    own_laps: ClassVar[bool] = True

    iterations: int = parameter(
        219, "timed steps; one more runs first, untimed", label="Number of iterations"
    )
    batch: int = parameter(64, "global batch, divided over the ranks", label="Global batch", size=True)
    workload: str = parameter(
        "digits", "what is trained; --list says more", tuple(workload.names()), label="Workload"
    )
    epochs: int = parameter(0, "whole epochs instead of --iterations steps", label="Epochs")
    seed: int = parameter(1, "of weights and order", label="Seed")
    seeds: int = parameter(1, "trainings, each with the next seed", label="Seeds")
    learning_rate: float = parameter(0.05, "peak of the learning rate", label="Learning rate")
    momentum_form: str = parameter(
        OUTSIDE,
        "where the momentum's learning rate is, w -= lr v or v = m v + lr g",
        (OUTSIDE, INSIDE),
        label="Momentum form",
    )
    rules: str = parameter(
        STEPS, "how trainings are timed: by their steps alone, or as MLPerf does", (STEPS, MLPERF), "Rules"
    )
    accumulate: int = parameter(
        1, "micro-batches a step, whose gradients add up before they are averaged", label="Micro-batches"
    )
    gradients: str = parameter(
        "float32", "what gradients travel as; sums are rounded to it", tuple(FORMATS), label="Gradients"
    )
    weights: int = parameter(
        6_553_600, "parameters of the synthetic model", label="Parameters (synthetic)", size=True
    )
    layers: int = parameter(4, "layers of the synthetic model", label="Layers (synthetic)")
    widths: str = parameter(
        "", "or its layers' widths, as 1024,4096,10: input, hidden ones, output", label="Widths (synthetic)"
    )
    torch_threads: int = parameter(1, "threads that compute in a rank", label="Threads of torch")
    data: str = parameter("", "folder with the workload's files", label="Data folder")
    save: str = parameter("", "write the trained model to this new file, for prk.inference", label="Saved to")
    save_every: int = parameter(0, "and write it after every so many steps", label="Steps between saves")
    resume: str = parameter("", "go on from this file, which all nodes see", label="Resumed from")

    @classmethod
    def every(cls, name: str) -> Sequence[Mapping[str, Any]]:
        if name != "workload":
            return super().every(name)
        found = ((one, workload.usual(one)) for one in workload.names())
        return [{name: one, **usual} for one, usual in found if usual]

    @property
    def trains(self) -> Workload:
        """Return the workload itself."""
        return workload.find(self.workload)

    @property
    def epoch(self) -> int:
        """Return the steps of an epoch."""
        return self.trains.samples(self) // self.batch

    @property
    def criteria(self) -> tuple[str, ...]:
        """Return by what right training is recognised."""
        return (*CRITERIA, *(AUDITED if self.audit else ()))

    @property
    def ruled(self) -> bool:
        """Tell whether the rules' clock counts."""
        return self.rules == MLPERF

    @property
    def remark(self) -> str:
        return REMARK if self.ruled else ""

    @property
    def logs(self) -> int:
        # An audit trains with more work in its steps, and is no result.
        return self.seeds if self.ruled and not self.audit else 0

    @property
    def aimed(self) -> bool:
        """Tell whether whole epochs, or as many steps as usual, are asked for: to reach the target."""
        return bool(self.epochs) or self.iterations == type(self).iterations

    @property
    def resumed(self) -> int:
        """Return the steps that an earlier run has done."""
        return checkpoint.steps(self.resume) if self.resume else 0

    @property
    def repetitions(self) -> int:
        # Those of the whole training.
        return super().repetitions + self.resumed

    def same(self, steps: int) -> dict[str, Any]:
        """Return the parameters that a training of so many steps keeps when it goes on."""
        names = ("seed", "batch", "learning_rate", "momentum_form", "gradients")
        return {**{name: getattr(self, name) for name in names}, "iterations": steps - 1}

    @property
    def work(self) -> int:
        return self.batch

    def cost(self, size: int, repetition: int = 1) -> Cost:
        steps = (size - 1).bit_length()
        return Cost(
            flop=self.trains.flop(self),
            messages=steps,
            message_bytes=2 * (size - 1) / size * self.format.bytes * self.trained,
            chain=steps,
        )

    @property
    def format(self) -> Format:
        """Return what gradients travel as."""
        return FORMATS[self.gradients]

    @property
    def trained(self) -> int:
        """Return how many numbers are trained."""
        return sum(self.trains.weights(self))

    def cases(self, size: int, number: int) -> "Sequence[Ddp]":
        """Return the trainings of repeat `number`, each with a seed of its own and its steps counted out."""
        steps = self.epochs * self.epoch - 1 if self.epochs else self.iterations
        first = (self.audit or self.seed) + number * self.seeds
        own = range(first, first + self.seeds)
        left = steps - self.resumed
        return [replace(self, seed=seed, seeds=1, iterations=left, epochs=0) for seed in own]

    def memory(self, size: int) -> int:
        # Weights, gradients, momentum, each once more for the check, and six copies that it compares; data,
        # and some of it once more; activations; torch itself.
        known = self.trains.memory(self)
        ahead = AHEAD * self.batch * known // self.trains.samples(self)
        return 12 * 4 * self.trained + known + ahead + self.batch * (1 << 16) + (256 << 20)

    def refuse(self, size: int) -> None:
        super().refuse(size)
        least = (
            ("--batch", self.batch),
            ("--seeds", self.seeds),
            ("--accumulate", self.accumulate),
            ("--torch-threads", self.torch_threads),
        )
        for option, value in least:
            if value < 1:
                raise Refusal(option, f"{value} is too small", "use at least 1")
        parts = size * self.accumulate
        if self.batch % parts:
            below, above = self.batch // parts * parts, (self.batch // parts + 1) * parts
            works = f"{below} or {above}" if below else f"{above}"
            each = f" with {self.accumulate} micro-batches each" if self.accumulate > 1 else ""
            raise Refusal("--batch", f"{self.batch} does not divide over {size} ranks{each}", f"use {works}")
        if self.epochs < 0:
            raise Refusal("--epochs", f"{self.epochs} is too few", "use at least 1, or 0 for --iterations")
        if self.learning_rate <= 0:
            raise Refusal("--learning-rate", f"{self.learning_rate:g} is not positive", "use 0.05")
        self.trains.refuse(self)
        self._refuse_files()
        if self.epoch < 1:
            most = self.trains.samples(self)
            raise Refusal("--batch", f"{self.batch} is more than {self.workload} has", f"use at most {most}")
        if self.epochs * self.epoch == 1:
            raise Refusal("--epochs", "one step would run, untimed", "use more epochs or a smaller --batch")
        if self.momentum_form != OUTSIDE and type(self.trains).optimizer is not Workload.optimizer:
            raise Refusal("--momentum-form", f"{self.workload} has an optimizer of its own", "leave it out")
        if self.ruled:
            self._refuse_ruled()

    def _refuse_files(self) -> None:
        """Raise Refusal for files that cannot be written, or gone on from."""
        if self.save_every < 0:
            raise Refusal("--save-every", f"{self.save_every} is too few", "use at least 1")
        if self.save_every and not self.save:
            raise Refusal("--save-every", "there is no file to write", "name one by --save")
        for option, name in (("--save", self.save), ("--resume", self.resume)):
            if name and self.seeds > 1:
                raise Refusal(option, f"{self.seeds} trainings make as many models", "use --seeds 1")
        if self.resume and (self.ruled or self.audit):
            raise Refusal("--resume", "a part of a training is timed only", "leave out --rules and --audit")
        if self.resume:
            whole = self.epochs * self.epoch or super().repetitions
            checkpoint.refuse_resume(self.resume, self.trains, self, self.same(whole), whole)
        if self.save and self.save == self.resume:
            checkpoint.writable("--save", self.save)
        elif self.save:
            checkpoint.refuse("--save", self.save)

    def _refuse_ruled(self) -> None:
        """Raise Refusal for what the rules cannot time."""
        if self.trains.quality is None or self.trains.target is None:
            raise Refusal("--rules", f"{self.workload} has no target", "use another --workload")
        if not self.aimed or (self.repetitions < self.epoch and not self.epochs):
            raise Refusal("--rules", "they time trainings to a target", "say by --epochs how many at most")
        if importlib.util.find_spec(LOGGING) is None:
            raise Refusal("--rules", f"{LOGGING} is not installed", "pip install 'prk[mlperf]'")

    def share(self, step: int, rank: int, size: int) -> np.ndarray:
        """Return the indices of the rank's part of a step's global batch, the same batch for every size."""
        epoch, place = divmod(step, self.epoch)
        start, stop = decomposition.block(self.batch, size, rank)
        first = place * self.batch
        return order(self.seed, epoch, self.trains.samples(self))[first + start : first + stop].copy()

    def tolerance(self, name: str) -> float:
        rounded = self.format.roundoff
        if name == LEAKED:
            return DOUBLES
        if name in (LOSSES, "loss"):
            return TOLERANCE + REPLAYED * rounded
        # However they are rounded, all members have the same.
        return TOLERANCE if "difference" in name else TOLERANCE + rounded

    def whole(self, size: int) -> Mapping[str, Whole]:
        return {
            "weights": Whole((self.trained,), "float32"),
            "loss": Whole((size, self.repetitions), "float32"),
            "error": Whole((size, len(self.criteria)), "float32"),
        }

    def partial(self, parts: Fields) -> Partial:
        broken = np.flatnonzero(~np.isfinite(parts["loss"].values[0]))
        first = float(broken[0]) if broken.size else math.inf
        errors = map(Largest, map(float, parts["error"].values[0]))
        return {"broken": Smallest(first), **dict(zip(self.criteria, errors, strict=True))}

    def check(self, found: Partial) -> list[Check]:
        broken = found["broken"].value
        if math.isfinite(broken):
            return [Check(f"loss at step {broken:.0f}", math.nan, self.tolerance("loss"))]
        return [Check(name, found[name].value, self.tolerance(name)) for name in self.criteria]

    def stated(self, cases: Sequence[Measured]) -> Sequence[Measured]:
        return cases

    def values(self, case: Measured, size: int) -> dict[str, float]:
        quality, epoch, seconds = progress(case)
        found = {RATE.name: RATE.of(case.problem.work, case.seconds)}
        if quality and self.trains.quality:
            found[self.trains.quality.name] = quality[-1]
        if epoch:
            found[SECONDS.name] = seconds
        return found

    def target(self, cases: Sequence[Measured]) -> Target | None:
        """Return the quality that a run of whole epochs or of the usual length was to reach; else None."""
        metric, wanted = self.trains.quality, self.trains.target
        found = [quality for quality, _, _ in map(progress, cases)]
        if metric is None or wanted is None or not self.aimed or not all(found):
            return None
        # Of each training its best epoch, of all trainings the worst.
        best, worst = (max, min) if metric.larger_is_better else (min, max)
        return Target(metric.name, wanted, worst(map(best, found)), metric.larger_is_better)

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        return [self._row(case, size) for cases in repeats for case in cases]

    def _row(self, case: Measured, size: int) -> dict[str, Any]:
        """Return the row of one run; times are those of the slowest rank."""
        found = case.findings
        compute, with_it, alone, table, fetch = (
            max(f[k] for f in found) for k in ("compute", "step", "alone", "table", "data")
        )
        flop, peak = (sum(f[k] for f in found) for k in ("flop", "peak"))
        exposed = max(0.0, with_it - compute) if size > 1 else 0.0
        quality, reached, seconds = progress(case)
        loss = float(np.mean([f["last"] for f in found]))
        return {
            "seed": case.problem.parameters()["seed"],
            "throughput": self.batch / case.seconds if case.valid else None,
            "step": case.seconds * 1e3,
            "compute": compute * 1e3,
            "exposed": exposed * 1e3,
            "share": exposed / with_it,
            "hidden": max(0.0, alone - exposed) * 1e3 if size > 1 else 0.0,
            "efficiency": compute / with_it if case.valid else None,
            "reduced": found[0]["reduced"],
            "predicted": table / with_it,
            "data": fetch / (fetch + case.seconds),
            "parameters": self.trained,
            "flop": flop,
            "mfu": flop / case.seconds / peak if flop and case.valid else None,
            "loss": loss if math.isfinite(loss) else None,
            "quality": quality[-1] if quality else None,
            "epochs": reached,
            "seconds": seconds if reached else None,
        }

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        rows = self.table(repeats, size)
        first = repeats[0][0]
        curve = np.mean([f["losses"] for f in first.findings], axis=0)
        found: dict[str, Any] = {
            "efficiency's base": "the same steps without communication",
            "loss curve": [float(v) if math.isfinite(v) else None for v in curve],
            "quality by epoch": progress(first)[0],
            **step_times([lap for cases in repeats for case in cases for lap in case.laps]),
            "quality curves": [point for cases in repeats for case in cases for point in _curve(case)],
        }
        if self.resume:
            found["steps of earlier runs"] = self.resumed
        if self.trains.target is not None:
            epochs = [row["epochs"] for row in rows]
            found["quality target"] = self.trains.target
            found["runs that reached it"] = sum(e is not None for e in epochs)
            if len(rows) >= 3 and None not in epochs:
                seconds = sorted(row["seconds"] for row in rows)
                found["time to target without fastest and slowest (s)"] = mean(seconds[1:-1])
                found["variation of epochs to target"] = pstdev(epochs) / mean(epochs)
        if self.logs:
            found["runs that a result takes"] = self.trains.runs
            found["trainings"] = [self._training(case, size) for cases in repeats for case in cases]
        return found

    def _training(self, case: Measured, size: int) -> dict[str, Any]:
        """Return what the rules need of one training, on the first member's clock; logs use some names."""
        first, row = case.findings[0], self._row(case, size)
        return {
            "workload": self.workload,
            "runs": self.trains.runs,
            "seed": row["seed"],
            "begun": first["begun"],
            "initialisation": first["start"],
            "seconds": row["seconds"] if case.valid else None,
            "epochs": row["epochs"] if case.valid else None,
            "samples/s": row["throughput"],
            "global_batch_size": self.batch,
            "gradient_accumulation_steps": self.accumulate,
            "opt_base_learning_rate": self.learning_rate,
            "train_samples": self.trains.samples(self),
            "eval_samples": first["tested"],
        }


@lru_cache(2)
def order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order of an epoch's samples, which takes longer to draw than a small step."""
    return np.random.default_rng((seed, epoch)).permutation(samples)


def progress(case: Measured) -> tuple[list[float], int | None, float]:
    """Return a training's quality after each epoch, the epoch that reached the target, and its seconds."""
    found = case.findings
    trains = case.problem.trains  # type: ignore[attr-defined]
    quality = [
        trains.judged(np.sum(sums, axis=0)) for sums in zip(*(f["judged"] for f in found), strict=True)
    ]
    reached = next((epoch for epoch, q in enumerate(quality, 1) if trains.reached(q)), None)
    if case.problem.ruled:  # type: ignore[attr-defined]
        # All had waited for one another when the first member read its clock.
        found = found[:1]
    return quality, reached, max(f["ended"][reached - 1] for f in found) if reached else math.inf


def step_times(laps: Sequence[float]) -> dict[str, Any]:
    """Return how long steps took: quantiles, and a histogram that ends at the last of a hundred."""
    if not laps:
        return {}
    times = np.array(laps) * 1e3
    found: dict[str, Any] = {f"step p{part} (ms)": float(np.percentile(times, part)) for part in (50, 95, 99)}
    # Slower ones count in the last bin.
    ends = np.linspace(times.min(), found["step p99 (ms)"], BINS + 1)
    counts, _ = np.histogram(np.minimum(times, ends[-1]), ends)
    middles = (ends[1:] + ends[:-1]) / 2
    rows = [{"step (ms)": float(m), "steps": int(n)} for m, n in zip(middles, counts, strict=True)]
    return {**found, "step times": rows}


def _curve(case: Measured) -> list[dict[str, Any]]:
    """Return a training's quality by epoch; under the rules with when its steps and its test had ended."""
    first, seed = case.findings[0], case.problem.parameters()["seed"]
    points = [{"seed": seed, "epoch": n, "quality": q} for n, q in enumerate(progress(case)[0], 1)]
    times = zip(first.get("stepped", ()), first["ended"], strict=True) if first.get("stepped") else ()
    for point, (stepped, tested) in zip(points, times, strict=False):
        point |= {"stepped": stepped, "tested": tested}
    return points
