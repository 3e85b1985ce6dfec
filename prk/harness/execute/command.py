"""From a point to the command line and the environment of one launch."""

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prk.harness.plan import template
from prk.harness.plan.points import Plan, Point
from prk.records import identity
from prk.run import launcher as start
from prk.run import registry, split
from prk.run.faults import options as faults

# The launched program copies this variable into its record; it also marks every process of the launch.
MARK = "PRK_LAUNCH"
# How much longer than the harness the program itself waits before it ends a run, should the harness be gone.
GRACE = 30
# What a launch that also says where the time goes has besides.
SPLIT = "--split"


@dataclass(frozen=True)
class Launch:
    """One repeat of one point: what to start, and what its record says of how it was started."""

    point: Point
    repeat: int
    command: tuple[str, ...]
    limit: float
    about: Mapping[str, Any]
    # Whether the point is audited before.
    audit: bool = False

    @property
    def name(self) -> str:
        """Return the name, without ending, of everything that is kept of this launch."""
        return identity.launch_name(self.point.id, self.repeat)


def launch(plan: Plan, number: int, point: Point, repeat: int, record: str, launcher: str = "") -> Launch:
    """Return launch `number` of the plan's order, which writes its record to the path `record`.

    `launcher` is a template that takes the place of mpirun, as "srun -n {ranks}".
    """
    command = command_of(point, record, plan.timeout, launcher or plan.launcher)
    if plan.split and repeat == 0 and _splits(point):
        command.append(SPLIT)
    about = {
        "sweep": plan.name,
        "seed": plan.seed,
        "order": number,
        "repeat": repeat,
        "command": shown(command),
    }
    # A program of others has no audit.
    audit = plan.audit and not point.foreign and not faults.asked(point.options)
    return Launch(point, repeat, tuple(command), plan.timeout, about, audit)


def _splits(point: Point) -> bool:
    """Tell whether a launch of the point can say where its time goes."""
    if point.foreign or faults.asked(point.options):
        return False
    how, problem = registry.runtime(point.runtime), registry.problem_class(point.kernel)
    return not split.why_not(how, point.kernel, problem, point.options)


def audited(one: Launch, own: str, record: str) -> Launch:
    """Return the launch that audits the point of one whose record would be `own`; its record is `record`."""
    given = [word for word in one.command if word != SPLIT]
    words = [w for word in given for w in ((record, "--audit") if word == own else (word,))]
    about = {**one.about, "command": shown(words), "repeat": 0}
    return replace(one, repeat=0, command=tuple(words), about=about, audit=False)


def shown(command: Sequence[str]) -> str:
    """Return the command as a record states it, from which it can be published.

    Which Python it was is in the record's versions, not in a path of one machine.
    """
    return shlex.join("python" if word == sys.executable else word for word in command)


def command_of(point: Point, record: str, limit: float, launcher: str = "") -> list[str]:
    """Return the words of the command; they name no shell, and nothing in them is expanded."""
    if point.foreign:
        return template.words(point.foreign, {**point.parameters, **point.layout}, point.runtime)
    how = registry.runtime(point.runtime)
    # A runtime that starts its own processes needs no launcher.
    if launcher:
        template.words(launcher, point.layout, "--launcher")
    before = start.words(point.layout, launcher, how.unbound) if how.launched else []
    if before and not launcher:
        before[1:1] = how.launcher_words(point.options)
    return [*before, *words_of(point, record, limit)]


def words_of(point: Point, record: str, limit: float) -> list[str]:
    """Return the words of the program itself, which a launcher starts."""
    words = [sys.executable, "-m", registry.package_of(point.kernel), "--runtime", point.runtime]
    for name, value in {**point.parameters, **point.options}.items():
        if value not in (None, ""):
            words += [f"--{name.replace('_', '-')}", str(value)]
    expected = str(point.layout["ranks"])
    return [*words, "--expect-ranks", expected, "--timeout", f"{limit + GRACE:g}", "--json", record]


def environment(launch: Launch, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a launch: the harness's own, the mark, and what makes MPI start here."""
    about = {**launch.about, "started": time.time()}
    return {**base, **start.environment(oversubscribed(launch.point)), MARK: json.dumps(about)}


def oversubscribed(point: Point) -> bool:
    """Tell whether one node's share of the point wants more cores than there are here."""
    return point.layout["ranks_per_node"] * point.layout["threads"] > len(os.sched_getaffinity(0))
