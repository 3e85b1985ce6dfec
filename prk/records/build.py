"""The record of a launch, whoever writes it: the program itself, or the harness in its place."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

import prk
from prk.check import Check, Target
from prk.job import Job
from prk.metric import Metric
from prk.problem import Measured
from prk.records import identity, migrate, placement
from prk.records.balance import Balance
from prk.run import environment, registry
from prk.run.audit import Audited
from prk.run.faults.account import Account
from prk.run.sample import Sample
from prk.run.split import Split
from prk.runtime import Runtime

STATES = ("ok", "missed", "invalid", "failed", "timeout", "oom", "cancelled", "skipped")
# Right answers, whose metrics count; "missed" did not reach its target.
RIGHT = ("ok", "missed")


@dataclass(frozen=True)
class Case:
    """One case with every member's times."""

    measured: Measured
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Report:
    """What the first member knows after the run."""

    job: Job
    how: Runtime
    # What each process that speaks said of itself, and how many members there are.
    members: Sequence[Mapping[str, Any]]
    size: int
    # The cases that each repeat measured.
    repeats: Sequence[Sequence[Case]]
    communication: Mapping[str, Any]
    audited: Audited | None = None
    # When all of them had come up, in seconds since the epoch; 0: unknown.
    up: float = 0.0
    split: Split | None = None
    faults: Account | None = None

    @property
    def ranks(self) -> int:
        waiting = self.faults.plan.spares if self.faults else 0
        return self.size // self.how.members_a_rank(self.job.kernel, self.job.options) + waiting

    @property
    def warnings(self) -> list[str]:
        """Return what a reader of the record should know about how this run was made."""
        own = self.how.cell(self.job.kernel).warning
        computing = self.ranks * self.how.threads(self.job.options)
        unkept = {s.unkept for cases in self.repeats for case in cases for s in case.samples}
        said = filter(None, (self.job.problem.remark, own, *sorted(unkept)))
        return [*said, *oversubscription(self.members, computing)]

    @cached_property
    def measured(self) -> list[list[Measured]]:
        return [[case.measured for case in cases] for cases in self.repeats]

    @property
    def checks(self) -> list[Check]:
        found = [c for cases in self.measured for case in cases for c in case.checks]
        besides = [part.checks for part in (self.audited, self.split) if part]
        return [*found, *(c for checks in besides for c in checks)]

    @property
    def valid(self) -> bool:
        return all(c.valid for c in self.checks)

    @cached_property
    def missed(self) -> list[Target]:
        """Return the targets that repeats were to reach and did not."""
        targets = (self.job.problem.target(cases) for cases in self.measured)
        return [t for t in targets if t and not t.met]

    @cached_property
    def stated(self) -> list[Case]:
        """Return the cases whose metrics are stated, each a sample."""
        found = []
        for cases in self.repeats:
            chosen = self.job.problem.stated([case.measured for case in cases])
            found += [case for case in cases if any(case.measured is m for m in chosen)]
        return found

    @cached_property
    def values(self) -> dict[str, list[float]]:
        """Return the metrics' values by name, one a sample; none unless the whole answer is right."""
        found: dict[str, list[float]] = {m.name: [] for m in self.job.problem.metrics}
        for case in self.stated if self.valid else []:
            for name, value in self.job.problem.values(case.measured, self.size).items():
                found[name].append(value)
        return found

    @property
    def seconds(self) -> list[float]:
        """Return each sample's time a repetition: the maximum over the members."""
        return [case.measured.seconds for case in self.stated]

    def median(self) -> tuple[float, float]:
        """Return the first metric's median and the seconds that belong to it."""
        first = self.job.problem.metrics[0]
        return float(np.median(self.values[first.name])), float(np.median(self.seconds))

    @cached_property
    def balance(self) -> Balance | None:
        """Return how the load lay in the cases that are stated, or None where the kernel does not look."""
        looked = [case for case in self.stated if any(s.periods for s in case.samples)]
        seconds = sum(c.measured.seconds * c.measured.problem.iterations for c in looked)
        return Balance([[s.periods for s in c.samples] for c in looked], seconds) if looked else None

    @cached_property
    def table(self) -> list[dict[str, Any]]:
        return self.job.problem.table(self.measured, self.size)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.job.problem.summary(self.measured, self.size)


def prk_version() -> str:
    return prk.__version__


def build(report: Report) -> dict[str, Any]:
    """Return the record of a finished run."""
    job, how, members = report.job, report.how, report.members
    layout = _layout(report.ranks, how.threads(job.options), members)
    worst = max(report.checks, key=lambda c: (not c.valid, c.error / (c.tolerance or 1.0)))
    status, reason = "ok", None
    if not report.valid:
        status, reason = "invalid", f"{worst.name} is {worst.error:.3e}, allowed {worst.tolerance:.1e}"
    elif report.missed:
        target = report.missed[0]
        status, reason = "missed", f"{target.name} reached {target.reached}, wanted {target.wanted:g}"
    first = report.repeats[0][0].samples
    problem = report.stated[0].measured.problem
    found = {
        **_what(job, how, layout),
        "status": status,
        "phase": "check" if status == "invalid" else "done",
        "reason": reason,
        "samples": [_spread(case.samples) for case in report.stated],
        "metrics": metrics(job.problem.metrics, report.values),
        "work": problem.work_of(report.size),
        "cost": asdict(problem.mean_cost(report.size)),
        "warmup_seconds": max(s.warmup for s in first),
        "setup_seconds": max(s.setup for s in first),
        "compile_seconds": max(s.compile for s in first),
        "check_seconds": max(s.check for s in first),
        "check": asdict(worst),
        "audit": report.audited.table() if report.audited else None,
        "split": report.split.table() if report.split else None,
        "balance": report.balance.table() if report.balance else None,
        "faults": report.faults.table() if report.faults else None,
        "placement": placement.compact(members),
        "warnings": report.warnings,
        "communication": dict(report.communication),
        "table": report.table,
        "summary": report.summary,
        "events": [
            {"case": number, "seconds": e.seconds, "name": e.name, "value": e.value}
            for number, case in enumerate(case for cases in report.repeats for case in cases)
            for e in case.samples[0].events
        ],
        "launch": launch(report.up),
        "plugins": registry.plugins(job.runtime, job.kernel),
    }
    return closed(found, job.argv, environment.capture())


def failed(
    job: Job, how: Runtime, members: Sequence[Mapping[str, Any]], faults: Account, reason: str
) -> dict[str, Any]:
    """Return the record of a run that its faults have ended."""
    layout = _layout(faults.launched, how.threads(job.options), members)
    found = {
        **_what(job, how, layout),
        "status": "failed",
        "phase": "run",
        "reason": reason,
        "samples": [],
        "metrics": metrics(job.problem.metrics, {m.name: [] for m in job.problem.metrics}),
        "work": job.problem.work_of(faults.members),
        "cost": asdict(job.problem.mean_cost(faults.members)),
        "check": None,
        "faults": faults.table(),
        "placement": placement.compact(members),
        "warnings": [],
        "communication": how.describe(),
        "launch": launch(0.0),
        "plugins": registry.plugins(job.runtime, job.kernel),
    }
    return closed(found, job.argv, environment.capture())


def _layout(ranks: int, threads: int, members: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    nodes = len({m["host"] for m in members})
    return {"ranks": ranks, "nodes": nodes, "ranks_per_node": -(-ranks // nodes), "threads": threads}


def _what(job: Job, how: Runtime, layout: Mapping[str, int]) -> dict[str, Any]:
    """Return the part of a job's record that says what was launched."""
    return opening(
        kernel=job.kernel,
        version=job.problem.version,
        runtime=job.runtime,
        parameters=job.problem.parameters(),
        options=job.options,
        layout=layout,
        point=identity.point_id(job.kernel, job.problem, job.runtime, how, job.options, layout),
        variant=identity.variant(how, job.kernel, job.options),
        conforming=job.problem.conforming,
    )


def opening(**what: Any) -> dict[str, Any]:
    """Return the part of a record that says what was launched."""
    return {"schema": migrate.VERSION, **what, "options": dict(what["options"])}


def closed(found: Mapping[str, Any], argv: Sequence[str], where: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole record: what was found, with how and where it was found; empty parts are left out."""
    optional = (
        "audit", "split", "balance", "faults", "communication", "table", "summary", "events", "launch",
        "plugins",
    )  # fmt: skip
    whole: dict[str, Any] = {
        **{k: v for k, v in found.items() if v or k not in optional},
        "argv": list(argv),
        "prk": prk_version(),
        "environment": dict(where),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {name: _plain(value) for name, value in whole.items()}


def metrics(stated: Sequence[Metric], values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the metrics as a record holds them, each with its values, one a sample."""
    return {
        m.name: {
            "unit": m.unit,
            "scale": m.scale,
            "larger_is_better": m.larger_is_better,
            "kind": m.kind,
            "values": list(values[m.name]),
        }
        for m in stated
    }


def launch(up: float) -> dict[str, Any] | None:
    """Return what the harness, if it started this run, says of the launch, with the seconds since."""
    try:
        about = json.loads(os.environ["PRK_LAUNCH"])
        started = about.pop("started")
        startup = {"startup_seconds": max(up - started, 0.0)} if up else {}
        return {**about, **startup, "seconds": time.time() - started}
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def oversubscription(members: Sequence[Mapping[str, Any]], computing: int) -> list[str]:
    """Return a warning if more threads compute than the members' hosts lend them cores."""
    cores = len({(m["host"], cpu) for m in members for cpu in m["cpus"]})
    if computing <= cores:
        return []
    return [f"oversubscribed, timings mean nothing: {computing} on {cores} cores"]


def _spread(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the members' times of one sample; the maximum is the sample."""
    seconds = [s.repetition for s in samples]
    return {"max": max(seconds), "mean": sum(seconds) / len(seconds), "min": min(seconds)}


def _plain(value: Any) -> Any:
    """Return the value as JSON can hold it: NumPy's numbers as Python's, NaN and infinity by name."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not abs(value) < float("inf") else value
