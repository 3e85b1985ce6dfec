"""What the runtimes with a team of threads in each member say of themselves; see team.py for the team."""

import os
from typing import Any, ClassVar

from prk.job import Job
from prk.problem import Problem, Refusal
from prk.runtime import Cell, Option, Options, Runtime


def refuse(problem: Problem, options: Options, size: int) -> None:
    """Raise Refusal if the threads asked for are none, or more than have something to do."""
    threads = options["threads"]
    if threads is None:
        return
    if threads < 1:
        raise Refusal("--threads", f"{threads} is too few", "use at least 1")
    most = problem.most_threads(size)
    if most is not None and threads > most:
        raise Refusal("--threads", f"{threads} is too many for this problem", f"use at most {most}")


class Threads(Runtime):
    """What the runtimes with a team of threads in each member share."""

    # The cpus that are this process's own.
    cpus: ClassVar[list[int]] = sorted(os.sched_getaffinity(0))
    count_option = "threads"
    cells = {
        "*": Cell(
            options=(Option("threads", None, "threads (default: one a cpu)", examples=(1, 2, 3)),),
            refuse=refuse,
        )
    }

    def threads(self, options: Options) -> int:
        return count(options)

    def probe(self, job: Job, comm: Any) -> str:
        """Refuse as many threads as there are cpus, where that is what was asked for."""
        try:
            refuse(job.problem, {**job.options, "threads": count(job.options)}, comm.size)
        except Refusal as refusal:
            return str(refusal)
        return ""


def count(options: Options) -> int:
    """Return the threads that the options ask for."""
    return max(1, len(Threads.cpus)) if options["threads"] is None else options["threads"]
