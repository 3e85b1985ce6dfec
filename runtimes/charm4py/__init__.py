"""Charm4py: over-decomposed chare arrays, driven by messages."""

import importlib.util
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prk.allreduce.problem import refuse_others
from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Option
from prk.runtime import Runtime as Base


class Runtime(Base):
    name = "charm4py"
    title = "Charm4py: chare arrays, message-driven"
    requires = ("charm4py",)
    install = "pip install 'prk[charm4py]'"
    count_option = "pe"
    options = {
        "*": (
            Option("pe", 0, "processing elements, each a process; 0: as many as the cpu set has"),
            Option("overdecomposition", 1, "chares a processing element", examples=(2, 4)),
        )
    }

    def refuse(self, job: Job, size: int) -> None:
        refuse_others(job)

    def members_a_rank(self, job: Job) -> int:
        return job.options["overdecomposition"]

    def describe(self) -> dict[str, Any]:
        from . import team

        return team.describe()

    def started(self) -> bool:
        # charmrun sets it; which of its processes this is, only Charm knows, once it runs.
        return "NETSTART" in os.environ

    def leave(self, kernel: str, outcome: Outcome) -> Outcome:
        from . import team

        team.end(kernel, outcome)

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Mapping[str, Any], shared: str
    ) -> list[str]:
        # charmrun leaves a file in its folder, which the nodes read; without ++mpiexec it would use one node.
        start = ["env", f"--chdir={shared}", str(charmrun()), f"+p{options['pe']}"]
        return [*start, "++timeout", "60", "++mpiexec", "++remote-shell", shlex.join(step), *words]

    def launch(self, job: Job) -> Outcome:
        if self.started():
            from . import team

            team.start(job)
        from . import launch

        pes = job.options["pe"] or len(os.sched_getaffinity(0))
        refuse_chares(job, pes)
        return Outcome(launch.run(job, pes))


def charmrun() -> Path:
    """Return the launcher that came with Charm4py; raise Refusal if it is missing.

    It is the program itself: the script of that name on PATH would be one more process to end.
    """
    found = importlib.util.find_spec("charmrun")
    for folder in (found.submodule_search_locations or []) if found else []:
        if os.access(Path(folder, "charmrun"), os.X_OK):
            return Path(folder, "charmrun")
    raise Refusal(
        "--pe", "charmrun is missing, which starts more than one", "reinstall charm4py, or use --pe 1"
    )


def refuse_chares(job: Job, pes: int) -> None:
    """Raise Refusal if `pes` processing elements cannot hold the chares asked for."""
    factor = job.options["overdecomposition"]
    if job.options["pe"] < 0:
        raise Refusal("--pe", f"{job.options['pe']} is negative", "use 0 for as many as the cpu set has")
    if factor < 1:
        raise Refusal("--overdecomposition", f"{factor} is too small", "use at least 1")
    reason = _why_not(job, pes * factor)
    if factor > 1 and reason and not _why_not(job, pes):
        works = next(f for f in range(factor, 0, -1) if not _why_not(job, pes * f))
        raise Refusal(
            "--overdecomposition",
            f"{factor} makes {pes * factor} chares, too many ({reason})",
            f"use {works}",
        )


def _why_not(job: Job, size: int) -> str:
    try:
        job.problem.refuse(size)
    except Refusal as refusal:
        return str(refusal).partition("; ")[0]
    return ""
