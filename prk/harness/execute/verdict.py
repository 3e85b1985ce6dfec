"""What a launch's end means, and the record of one that wrote none itself. Pure."""

import math
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prk.harness.execute.launch import Ended
from prk.harness.plan.points import Point
from prk.records import build
from prk.run import reason

# PRK's closing line: "Rate (MFlops/s): 123.4  Avg time (s): 0.0567".
RATE = re.compile(r"Rate \( *(?P<unit>[^)\n]+?) *\): *(?P<rate>\S+) +Avg time \(s\): *(?P<time>\S+)")
VALID = re.compile(r"^\s*Solution validates\s*$", re.MULTILINE)
# The one line of a refusal, which begins with what it is about.
REFUSED = re.compile(r"^prk\.\w+: (?P<line>--(?P<option>[\w-]+): .*)$", re.MULTILINE)
# What Python says, and what Slurm says for the kernel and for itself.
NO_MEMORY = re.compile(r"MemoryError|oom[-_]kill event|Out Of Memory|exceeded memory limit")
# Printed rates are rounded, and count what their program counts.
AGREEMENT = 0.01


@dataclass(frozen=True)
class Verdict:
    """The status of a launch, how far it came, why; of a foreign program also its seconds a repetition."""

    status: str
    phase: str
    reason: str | None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # It may quote what a program printed, and is shown on terminals and pages.
        object.__setattr__(self, "reason", self.reason and reason.plain(self.reason))


def judge(point: Point, ended: Ended, limit: float) -> Verdict:
    """Return the verdict on a launch that wrote no record."""
    if ended.timed_out:
        return Verdict("timeout", "run", f"no end after {limit:g} s")
    if out_of_memory(ended):
        return Verdict(
            "oom", "run", f"ended by signal 9, as the kernel does when memory runs out{_why(ended)}"
        )
    if ended.code < 0:
        return Verdict("failed", "run", f"ended by {_signal(-ended.code)}{_why(ended)}")
    if point.foreign:
        return judge_foreign(point, ended)
    refused = REFUSED.search(ended.err) if ended.code == 2 else None
    # What the point itself asks for will be refused again; all else is trouble of the place, and may pass.
    if refused and refused["option"].replace("-", "_") in {*point.parameters, *point.options}:
        return Verdict("skipped", "plan", refused["line"])
    if ended.code == 0:
        return Verdict("failed", "done", "ended with exit code 0 but wrote no record")
    return Verdict("failed", "run", f"exit code {ended.code}{_why(ended)}")


def out_of_memory(ended: Ended) -> bool:
    """Tell whether memory ran out: a kill by the kernel, or by its looks (also in a rank or in Python)."""
    if ended.code == 0:
        return False
    # srun reports the same signal of tasks that it ended itself because another one failed.
    killed = ended.code in (-signal.SIGKILL, 128 + signal.SIGKILL) and "srun: error" not in ended.err
    return killed or ended.oom or bool(NO_MEMORY.search(ended.err))


def judge_foreign(point: Point, ended: Ended) -> Verdict:
    """Return the verdict on a program known only by the lines it prints."""
    found = RATE.search(ended.out)
    valid = bool(VALID.search(ended.out))
    if ended.code:
        return Verdict("failed", "run", f"exit code {ended.code}{_why(ended)}")
    if not found and not valid:
        return Verdict("failed", "run", f"printed neither a rate nor 'Solution validates'{_why(ended)}")
    if not found:
        return Verdict(
            "failed", "done", "printed 'Solution validates' but no 'Rate (...): ... Avg time (s): ...'"
        )
    if not valid:
        return Verdict("invalid", "check", "printed a rate without 'Solution validates'")
    rate, seconds = _positive(found["rate"]), _positive(found["time"])
    if rate is None or seconds is None:
        return Verdict("failed", "done", f"printed {found[0]!r}, which holds no positive numbers")
    unit, by_time = point.metric.unit, point.value(seconds)
    if found["unit"].lower() != unit.lower():
        return Verdict("failed", "done", f"counts {found['unit']}, where {point.kernel} counts {unit}")
    warnings: tuple[str, ...] = ()
    if abs(rate - by_time) > AGREEMENT * rate:
        warnings = (f"it prints {rate:g} {unit}; by the specification its time gives {by_time:g}",)
    return Verdict("ok", "done", None, seconds, warnings)


def record_of(
    point: Point,
    verdict: Verdict,
    about: Mapping[str, Any],
    argv: Sequence[str],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record that the harness writes in the program's place."""
    measured = verdict.seconds is not None
    found: dict[str, Any] = {
        **build.opening(
            kernel=point.kernel,
            version=point.version,
            runtime=point.runtime,
            parameters=dict(point.parameters),
            options=point.options,
            layout=dict(point.layout),
            point=point.id,
            variant=point.variant,
            conforming=point.conforming,
        ),
        "status": verdict.status,
        "phase": verdict.phase,
        "reason": verdict.reason,
        "samples": [{"max": verdict.seconds}] if measured else [],
        "metrics": build.metrics(point.metrics, values(point, verdict.seconds)),
        "work": point.work,
        "cost": asdict(point.cost),
        "check": None,
        "placement": [],
        "warnings": list(verdict.warnings),
        "launch": dict(about),
    }
    if point.foreign:
        found["foreign"] = point.foreign
    return build.closed(found, argv, environment)


def values(point: Point, seconds: float | None) -> dict[str, list[float]]:
    """Return what each metric is of a program that only states its time: the first one, as work over it."""
    found: dict[str, list[float]] = {m.name: [] for m in point.metrics}
    if seconds is not None:
        found[point.metric.name].append(point.value(seconds))
    return found


def _positive(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _why(ended: Ended) -> str:
    said = reason.said(ended.err, ended.out)
    return f": {said}" if said else ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
