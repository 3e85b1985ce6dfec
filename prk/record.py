"""One launch, one JSON file: written whole or not at all, never overwritten."""

import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import prk
from prk import environment, runtime
from prk.job import Job
from prk.problem import Check, Measured, Refusal

if TYPE_CHECKING:
    from prk import timing

VERSION = 1
SCHEMA = Path(__file__).with_name("record.schema.json")
STATES = ("ok", "invalid", "failed", "timeout", "oom", "cancelled", "skipped")


@dataclass(frozen=True)
class Report:
    """What the first member knows after the run."""

    job: Job
    members: list[dict[str, Any]]
    samples: "list[list[timing.Sample]]"
    # The cases that each repeat measured.
    repeats: list[list[Measured]]
    versions: dict[str, Any] = field(default_factory=dict)

    @property
    def checks(self) -> list[Check]:
        return [c for cases in self.repeats for case in cases for c in case.checks]

    @cached_property
    def table(self) -> list[dict[str, Any]]:
        return self.job.problem.table(self.repeats, len(self.members))

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.job.problem.summary(self.repeats, len(self.members))

    @property
    def valid(self) -> bool:
        return all(c.valid for c in self.checks)

    @property
    def seconds(self) -> list[float]:
        """Return each sample's time a repetition: the maximum over the members."""
        return [max(s.repetition for s in sample) for sample in self.samples]

    def rate(self, seconds: float) -> float:
        """Return the rate in the problem's unit."""
        return self.job.problem.rate(seconds)


def prk_version() -> str:
    return prk.__version__


def point_id(point: dict[str, Any]) -> str:
    """Return the hash of what repeats have in common: kernel, runtime, parameters, layout."""
    named = {k: point[k] for k in ("kernel", "runtime", "parameters", "options", "layout")}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def variant(how: runtime.Runtime, kernel: str, options: dict[str, Any]) -> str:
    """Return the label of the options that differ from the runtime's defaults; empty for the standard run.

    How many workers compute is no variant: the layout says it.
    """
    defaults = {o.name: o.default for o in how.options_of(kernel)}
    return ",".join(
        f"{k}={v}" for k, v in sorted(options.items()) if v != defaults.get(k) and k != how.count_option
    )


def refuse(path: str) -> None:
    """Raise Refusal if a record cannot be written to `path`; asked before the run, not after it."""
    target = Path(path)
    if target.is_dir():
        raise Refusal("--json", f"{path} is a folder", "name a file in it")
    if target.exists():
        raise Refusal("--json", f"{path} exists and is never overwritten", "name a new file")
    if not target.parent.is_dir():
        raise Refusal("--json", f"the folder {target.parent} does not exist", "make it first")
    try:
        # Asked by doing: root passes every permission check and still cannot write a read-only file system.
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise Refusal(
            "--json", f"cannot write to {target.parent} ({error.strerror})", "use a folder that you can write"
        ) from None


def write(record: dict[str, Any], path: str | Path) -> None:
    """Write the record under a name that must be free, atomically.

    Raises FileExistsError if the name was taken meanwhile, OSError if the disk is full; nothing is left then.
    """
    target = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(record, file, indent=1, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        # A link fails where a rename would replace.
        os.link(temporary, target)
    finally:
        os.unlink(temporary)


def build(report: Report) -> dict[str, Any]:
    """Return the record of a finished run."""
    job, members = report.job, report.members
    how = runtime.runtime(job.runtime)
    hosts = [m["host"] for m in members]
    worst = max(report.checks, key=lambda c: (not c.valid, c.error / (c.tolerance or 1.0)))
    seconds = report.seconds
    best = min(seconds)
    ranks = len(members) // how.members_a_rank(job)
    record = {
        "schema": VERSION,
        "kernel": job.kernel,
        "runtime": job.runtime,
        "parameters": job.problem.parameters(),
        "options": dict(job.options),
        "layout": {
            "ranks": ranks,
            "nodes": len(set(hosts)),
            "ranks_per_node": -(-ranks // len(set(hosts))),
            "threads": how.threads(job),
        },
        "variant": variant(how, job.kernel, dict(job.options)),
        "conforming": job.problem.conforming,
        "status": "ok" if report.valid else "invalid",
        "phase": "done" if report.valid else "check",
        "reason": None
        if report.valid
        else f"{worst.name} is {worst.error:.3e}, allowed {worst.tolerance:.1e}",
        "samples": [_spread([s.repetition for s in sample]) for sample in report.samples],
        "warmup_seconds": max(s.warmup for s in report.samples[0]),
        "setup_seconds": max(s.setup for s in report.samples[0]),
        "compile_seconds": max(s.compile for s in report.samples[0]),
        "work": job.problem.work,
        "unit": job.problem.unit,
        # No rate is stated unless the answer is right.
        "rate": {"median": report.rate(median(seconds)), "max": report.rate(best)} if report.valid else None,
        "check": {k: _finite(v) for k, v in asdict(worst).items()},
        "placement": [{"rank": i, "host": m["host"], "cpus": m["cpus"]} for i, m in enumerate(members)],
        "warnings": [*how.warnings(job), *oversubscription(members, ranks * how.threads(job))],
        "argv": list(job.argv),
        "prk": prk_version(),
        "communication": report.versions,
        "environment": environment.capture(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    more = {"table": report.table, "summary": report.summary, "launch": launch()}
    return {"point": point_id(record), **record, **{k: v for k, v in more.items() if v}}


def launch() -> dict[str, Any] | None:
    """Return what the harness, if it started this run, says of the launch, with the seconds since."""
    try:
        about = json.loads(os.environ["PRK_LAUNCH"])
        started = about.pop("started")
        return {**about, "seconds": time.time() - started}
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def oversubscription(members: list[dict[str, Any]], computing: int) -> list[str]:
    """Return a warning if more threads compute than the members' hosts lend them cores."""
    cores = len({(m["host"], cpu) for m in members for cpu in m["cpus"]})
    if computing <= cores:
        return []
    return [f"oversubscribed, timings mean nothing: {computing} on {cores} cores"]


def _spread(seconds: list[float]) -> dict[str, float]:
    """Return the members' times of one sample; the maximum is the sample."""
    return {"max": max(seconds), "mean": sum(seconds) / len(seconds), "min": min(seconds)}


def _finite(value: Any) -> Any:
    """Return the value as JSON can hold it: NaN and infinity by name."""
    return str(value) if isinstance(value, float) and not abs(value) < float("inf") else value
