"""Inference under load: how queries arrive, what may be late, and how a right answer is recognised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from prk.check import Check, Fields, Largest, Partial
from prk.coverage import Whole
from prk.ddp import checkpoint, workload
from prk.ddp.problem import Ddp
from prk.ddp.workload import Workload
from prk.inference import statistics
from prk.metric import Metric
from prk.problem import Curve, Measured, Problem, Refusal, parameter

SCENARIOS = ("single-stream", "multi-stream", "multi-stream-interval", "server", "offline")
# Of a run: the percentile that counts, the study's number of queries (of samples, offline), and a quick one.
TAILS: dict[str, tuple[float, int, int]] = {
    "single-stream": (0.9, 1024, 128),
    "multi-stream": (0.99, statistics.queries(0.99), 100),
    "multi-stream-interval": (0.99, statistics.queries(0.99), 20),
    "server": (0.99, statistics.queries(0.99), 500),
    "offline": (0.9, statistics.queries(0.9), 1000),
}
# Of a valid run, seconds, and of a server, how many runs; of a quick one, seconds.
LEAST, RUNS, QUICK = 60.0, 5, 0.1
WRONG, UNANSWERED, LOST = (
    "answers that are not those of the serial model",
    "samples that were never answered",
    "lost share of the quality in single precision",
)
# What an audit finds besides: how many times as fast known things are as unknown ones.
AUDITED = {
    "wrong answers on data that nobody has seen": 0.0,
    "speed of the same samples over that of others": 2.0,
    "speed of the usual seed over that of others": 2.0,
}

RATE = Metric("rate", "samples/s")
LATENCY = Metric("tail latency", "ms", 1e-3, larger_is_better=False, kind="latency")
SERVED = Metric("within the bound", "queries/s")
STREAMS = Metric("largest N", "samples")


@dataclass(frozen=True, kw_only=True)
class Inference(Problem):
    """A model, the way in which queries arrive, and what they may take."""

    title: ClassVar[str] = "inference under load"
    metrics: ClassVar[tuple[Metric, ...]] = (RATE, LATENCY, SERVED, STREAMS, *workload.qualities())
    requires: ClassVar[tuple[str, ...]] = ("torch", "sklearn", "mlperf_loadgen")
    install: ClassVar[str] = (
        "pip install 'prk[ml,inference]' --extra-index-url https://download.pytorch.org/whl/cpu "
        "(PyTorch's CPU build)"
    )
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "run": ("run", "d"),
        "level": ("asked", ".1f"),
        "queries": ("queries", "d"),
        "samples": ("samples", "d"),
        "seconds": ("time (s)", ".3f"),
        "throughput": ("samples/s", ".1f"),
        "p50": ("p50 (ms)", ".3f"),
        "p90": ("p90 (ms)", ".3f"),
        "p99": ("p99 (ms)", ".3f"),
        "late": ("late share", ".4f"),
        "bound": ("bound (ms)", ".1f"),
        "offline": ("of offline", ".3f"),
        "batch": ("mean batch", ".1f"),
        "compute": ("compute (ms)", ".3f"),
        "loadgen": ("LoadGen", ""),
    }
    curves: ClassVar[tuple[Curve, ...]] = (
        Curve("share of queries over latency", "share", "latency", "latencies", "bound", unit="ms"),
        Curve("throughput over the bound (ms)", "throughput", "bound"),
        Curve("server against offline", "offline"),
        Curve("batches by size", "batches", "size", "batch sizes"),
    )
    own_laps: ClassVar[bool] = True

    iterations: int = parameter(
        1,
        "timed runs, of which the least counts; one of accuracy comes first, untimed",
        label="Number of runs",
    )
    scenario: str = parameter("single-stream", "how queries arrive", SCENARIOS, label="Scenario")
    workload: str = parameter("digits", "what is asked; python -m prk.ddp --list", label="Workload")
    checkpoint: str = parameter(
        "", "the model, from python -m prk.ddp --save; digits are trained at once", label="Check-point"
    )
    precision: str = parameter(
        "float32", "of weights and inputs of layers", ("float32", "int8"), label="Precision"
    )
    bound: float = parameter(
        15.0, "milliseconds in which server answers 99 of 100 (97 of translation)", label="Bound (ms)"
    )
    interval: float = parameter(50.0, "milliseconds of multi-stream-interval", label="Interval (ms)")
    qps: float = parameter(
        0.0, "queries a second of server; 0: the most within the bound", label="Queries a second"
    )
    streams: int = parameter(
        0, "samples a query of multi-stream; 0: 8, or the most in the interval", label="Samples a query"
    )
    max_batch: int = parameter(32, "samples computed together at most", label="Largest batch", size=True)
    delay: float = parameter(
        0.0, "milliseconds that a sample waits for its batch to fill", label="Delay (ms)"
    )
    queries: int = parameter(0, "queries of a run at least; 0: the study's number", label="Queries")
    duration: float = parameter(
        1.0, f"seconds of a run at least; a valid one has {LEAST:g}", label="Duration (s)"
    )
    quick: str = parameter("off", "runs too short to be valid, to try things", ("off", "on"), label="Quick")
    seed: int = parameter(1, "of the queries", label="Seed")
    torch_threads: int = parameter(1, "threads that compute in a member", label="Threads of torch")
    data: str = parameter("", "folder with the workload's files", label="Data folder")

    @cached_property
    def trained(self) -> Ddp:
        """Return the training that the model comes from, which the workload's data and model depend on."""
        return Ddp(workload=self.workload, data=self.data)

    @property
    def trains(self) -> Workload:
        """Return the workload itself."""
        return workload.find(self.workload)

    @property
    def percentile(self) -> float:
        """Return the part of the queries whose latency counts."""
        return 1 - self.trains.late if self.scenario == "server" else TAILS[self.scenario][0]

    @property
    def study(self) -> int:
        """Return the study's queries of a run; offline, the samples."""
        return statistics.queries(self.percentile) if self.scenario == "server" else TAILS[self.scenario][1]

    @property
    def count(self) -> int:
        """Return the queries of a run at least; offline, the samples."""
        return self.queries or (TAILS[self.scenario][2] if self.quick == "on" else self.study)

    @property
    def least(self) -> float:
        """Return the seconds that a run lasts at least."""
        return QUICK if self.quick == "on" else self.duration

    @property
    def conforming(self) -> bool:
        return self.quick == "off"

    @property
    def lacking(self) -> list[str]:
        """Return what the study's rules want besides: nothing of a valid run."""
        if self.quick == "on":
            return ["--quick off"]
        wanted = [f"{self.study:,} queries"] if self.count < self.study else []
        wanted += [f"--duration {LEAST:g}"] if self.least < LEAST else []
        few = self.scenario == "server" and self.iterations < RUNS
        return [*wanted, *([f"--iterations {RUNS}"] if few else [])]

    def kept(self, quality: float, single: float) -> float:
        """Return the share that a quality is of that in single precision, whichever way is better."""
        metric = self.trains.quality
        if metric is None or not quality or not single:
            return float(quality == single)
        return metric.ratio(quality, single)

    @property
    def criteria(self) -> Mapping[str, float]:
        """Return by what a right run is recognised, each with what is allowed."""
        lost = 1 - self.trains.kept
        return {WRONG: 0.0, UNANSWERED: 0.0, LOST: lost, **(AUDITED if self.audit else {})}

    @property
    def work(self) -> int:
        return self.count

    def memory(self, size: int) -> int:
        samples, numbers = self.trains.answers(self.trained)
        weights = sum(self.trains.weights(self.trained))
        # Weights twice, data once more where they are perturbed, answers and what they must be, a batch's
        # activations; queries that LoadGen makes beforehand; torch itself.
        return (
            8 * weights + 2 * self.trains.memory(self.trained) + 3 * 4 * samples * numbers
            + self.max_batch * (1 << 18) + (512 << 20)
        )  # fmt: skip

    def refuse(self, size: int) -> None:
        super().refuse(size)
        if self.workload not in workload.names():
            known = ", ".join(workload.names())
            raise Refusal("--workload", f"there is no {self.workload!r}", f"use one of {known}")
        self._refuse_numbers()
        self.trains.answers(self.trained)
        self.trains.refuse(self.trained)
        if self.checkpoint:
            checkpoint.load("--checkpoint", self.checkpoint, self.trains, self.trained)
        elif not self.trains.instant:
            make = f"python -m prk.ddp --workload {self.workload} {self.trains.usual} --save FILE"
            raise Refusal(
                "--checkpoint", f"{self.workload} is not trained in seconds", f"make one by: {make}"
            )

    def _refuse_numbers(self) -> None:
        for name in ("bound", "interval", "duration"):
            if getattr(self, name) <= 0:
                raise Refusal(f"--{name}", f"{getattr(self, name):g} is too short", "use more than 0")
        for name in ("qps", "streams", "delay", "queries", "seed"):
            if getattr(self, name) < 0:
                raise Refusal(f"--{name}", f"{getattr(self, name):g} is negative", "use 0 or more")
        for name in ("max_batch", "torch_threads"):
            if getattr(self, name) < 1:
                option = f"--{name.replace('_', '-')}"
                raise Refusal(option, f"{getattr(self, name)} is too few", "use at least 1")
        if self.scenario == "server" and self.delay >= self.bound:
            works = f"use less than --bound {self.bound:g}"
            raise Refusal("--delay", f"a sample that waits {self.delay:g} ms for others is late", works)

    def smallest(self, size: int, refuse: Any = None) -> Self:
        return super(Inference, replace(self, quick="on")).smallest(size, refuse)

    def tolerance(self, name: str) -> float:
        # Of another training in another precision.
        return 0.02

    def whole(self, size: int) -> Mapping[str, Whole]:
        return {
            "answers": Whole(self.trains.answers(self.trained), "float32"),
            "error": Whole((size, len(self.criteria)), "float32"),
        }

    def partial(self, parts: Fields) -> Partial:
        errors = parts["error"].values
        return {name: Largest(float(errors[0, i])) for i, name in enumerate(self.criteria)}

    def check(self, found: Partial) -> list[Check]:
        return [Check(name, found[name].value, allowed) for name, allowed in self.criteria.items()]

    def values(self, case: Measured, size: int) -> dict[str, float]:
        """Return the least of the timed runs."""
        found = case.findings[0]
        runs = found["runs"]
        values = {RATE.name: min(run["samples"] / run["seconds"] for run in runs)}
        if self.scenario in ("single-stream", "multi-stream"):
            values[LATENCY.name] = max(run["tail"] for run in runs) / LATENCY.scale
        elif not all(run["held"] for run in runs):
            pass
        elif self.scenario == "server":
            values[SERVED.name] = min(run["level"] for run in runs)
        elif self.scenario == "multi-stream-interval":
            values[STREAMS.name] = min(run["level"] for run in runs)
        if quality := self.trains.quality:
            values[quality.name] = found["quality"]
        return values

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        """Return a row for each timed run."""
        rows: list[dict[str, Any]] = []
        for case in (case for cases in repeats for case in cases):
            for run in case.findings[0]["runs"]:
                latencies = {
                    f"p{round(100 * p)}": 1e3 * s for p, s in run["latencies"] if p in (0.5, 0.9, 0.99)
                }
                rows.append(
                    {
                        "run": len(rows) + 1,
                        "level": float(run["level"]) if run["level"] else None,
                        "queries": run["queries"],
                        "samples": run["samples"],
                        "seconds": run["seconds"],
                        "throughput": run["samples"] / run["seconds"] if case.valid else None,
                        **{p: latencies.get(p) for p in ("p50", "p90", "p99")},
                        "late": run["late"],
                        "bound": self.bound if self.scenario == "server" else None,
                        "offline": run["level"] / run["offline"] if run["offline"] and run["held"] else None,
                        "batch": run["batch"],
                        "compute": 1e3 * run["compute"],
                        "loadgen": {None: None, True: "valid", False: "not valid"}[run["valid"]],
                    }
                )
        return rows

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        found = repeats[0][0].findings[0]
        runs = [run for cases in repeats for case in cases for run in case.findings[0]["runs"]]
        summary: dict[str, Any] = {
            "valid by the study's rules": f"no: it wants {' and '.join(self.lacking)}"
            if self.lacking
            else "yes",
            "quality": found["quality"],
            "quality in single precision": found["float32"],
            "share of it that is needed": self.trains.kept,
        }
        if found["overhead"] is not None:
            summary["time of a query besides computing (us)"] = round(1e6 * found["overhead"], 1)
        first = runs[0]
        if first["why"]:
            summary["LoadGen says"] = first["why"]
        if first["early"] is not None:
            summary["tail latency after early stopping (ms)"] = 1e3 * first["early"]
        summary["latencies"] = [
            {"latency": float(f"{1e3 * s:.3g}"), "share": p} for p, s in first["latencies"]
        ]
        summary["batch sizes"] = [{"size": b, "batches": n} for b, n in found["batches"]]
        return summary
