"""Run the launches of a plan that a store lacks, one after the other."""

import os
import platform
import shlex
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any, Protocol

from prk.harness import store
from prk.harness.execute import command, launch, verdict
from prk.harness.execute.command import Launch
from prk.harness.plan.points import Plan, Point
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity, write
from prk.records.build import RIGHT
from prk.run import environment, processes, registry
from prk.run.processes import Mark

# The variable whose value is a sweep's own.
SWEEP = "PRK_SWEEP"


class Watcher(Protocol):
    """Who is told how a campaign goes: a progress bar, or lines in a log."""

    def begin(self, launch: Launch) -> None: ...

    def end(self, launch: Launch, status: str, reason: str | None) -> None: ...


def pending(plan: Plan, there: Set[str]) -> list[tuple[int, Point, int]]:
    """Return the launches without a record, as (number in the order, point, repeat)."""
    return [launch for name, launch in plan.launches().items() if name not in there]


def launches(
    plan: Plan, kept: Store, chosen: Sequence[tuple[int, Point, int]], launcher: str = ""
) -> list[Launch]:
    """Return the chosen launches, ready to start."""
    return [
        command.launch(plan, i, p, r, str(kept.path(identity.launch_name(p.id, r))), launcher)
        for i, p, r in chosen
    ]


def run(kept: Store, todo: Sequence[Launch], watcher: Watcher) -> None:
    """Run the launches in their order, each to a record.

    A KeyboardInterrupt ends the launch that runs and passes on; it leaves no record of it. What a harness
    that was killed has left running ends first.
    """
    with kept.locked():
        processes.end(mark(kept))
        kept.tidy({one.name for one in todo})
        for one in todo:
            watcher.begin(one)
            with store.refuse_unwritable(kept.folder):
                status, reason = run_one(kept, one)
            watcher.end(one, status, reason)


def mark(kept: Store) -> Mark:
    """Return what every process of the sweep carries, in this job of a batch system if it is in one."""
    return Mark(SWEEP, f"{os.environ.get('SLURM_JOB_ID', '')}:{kept.folder.resolve()}")


def run_one(kept: Store, one: Launch) -> tuple[str, str | None]:
    """Run one launch; return its status and reason. Its record stands in the store then, whoever wrote it.

    Raises OSError if that cannot be written.
    """
    path = kept.path(one.name)
    why = unavailable(one.point) or unproven(kept, one)
    if why:
        write.write(own_record(one, why, 0.0), path)
        return why.status, why.reason
    return _start(kept, one, path, one.name)


def unproven(kept: Store, one: Launch) -> verdict.Verdict | None:
    """Return what a launch comes to whose point's audit went wrong, if one is wanted; run it if missing."""
    if not one.audit:
        return None
    path = kept.audit(one.point)
    try:
        found = store.read(path, one.point, 0)
        status, reason = found.status, found.reason
    except ValueError:
        if os.path.lexists(path):
            kept.move_aside(path)
        path.parent.mkdir(exist_ok=True)
        first = command.audited(one, str(kept.path(one.name)), str(path))
        status, reason = _start(kept, first, path, f"{one.point.id}-audit")
    if status in RIGHT:
        return None
    # What is wrong, or refused, will be so again; an audit that failed otherwise may pass the next time.
    again = "skipped" if status in ("invalid", "skipped") else "failed"
    return verdict.Verdict(again, "plan", f"its audit was {status}: {reason}")


def _start(kept: Store, one: Launch, path: Path, log: str) -> tuple[str, str | None]:
    """Start a launch whose record is to stand at `path`; return its status and reason."""
    seconds = 0.0
    variables = {**command.environment(one), **dict([mark(kept)])}
    try:
        ended = launch.run(one.command, variables, one.limit, kept.log(log))
        found, seconds = verdict.judge(one.point, ended, one.limit), ended.seconds
    except OSError as error:
        # Without a name it is of the system, as when there are too many processes.
        if error.filename not in (None, one.command[0]):
            raise
        found = verdict.Verdict("failed", "launch", f"cannot start {one.command[0]}: {error.strerror}")
    status, reason = _settle(kept, path, one, found, seconds)
    if status in RIGHT:
        kept.forget_log(log)
    return status, reason


def _settle(
    kept: Store, path: Path, one: Launch, found: verdict.Verdict, seconds: float
) -> tuple[str, str | None]:
    """Accept the record that the program wrote, or write one; what contradicts its name is moved aside."""
    if os.path.lexists(path):
        try:
            own = store.read(path, one.point, one.repeat)
            return own.status, own.reason
        except ValueError as error:
            kept.move_aside(path)
            found = verdict.Verdict("failed", "done", f"its record {error}")
    kept.tidy({path.stem})
    write.write(own_record(one, found, seconds), path)
    return found.status, found.reason


def own_record(one: Launch, found: verdict.Verdict, seconds: float) -> dict[str, Any]:
    """Return the record of a launch that wrote none itself."""
    about = {**one.about, "seconds": seconds}
    return verdict.record_of(one.point, found, about, shlex.split(about["command"]), machine())


def machine() -> dict[str, Any]:
    """Return what a record of the harness keeps of the machine."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": environment.cpu_model(),
        "cores": os.cpu_count(),
        "governor": environment.governor(),
    }


def unavailable(point: Point) -> verdict.Verdict | None:
    """Return what a launch comes to whose point's runtime cannot run here, or None if it can."""
    why = None if point.foreign else registry.missing(point.runtime, point.kernel)
    return verdict.Verdict("skipped", "plan", why) if why else None


def refuse_nodes(plan: Plan, base: Callable[[str, str], str] = os.environ.get) -> None:
    """Raise Refusal if the plan wants nodes that no allocation holds."""
    most = max(p.layout["nodes"] for p in plan.points)
    held = int(base("SLURM_JOB_NUM_NODES", "1"))
    if most > held:
        raise Refusal(
            "--nodes",
            f"the sweep goes up to {most} nodes and this is {held}",
            "use prk-bench slurm, or a preset",
        )
