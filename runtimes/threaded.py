"""What the runtimes with a team of threads in each member say of themselves; see threads.py for the team."""

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from prk import decomposition
from prk.job import Job
from prk.problem import Refusal
from prk.runtime import Option, Runtime

# The most threads that have something to do in each of `size` members; a band is no thinner than the radius.
MOST: dict[str, Callable[[Any, int], int]] = {
    "stencil": lambda problem, size: problem.n // decomposition.grid(size)[1] // problem.radius,
    "synch_p2p": lambda problem, size: problem.m // size,
    "transpose": lambda problem, size: problem.order // size,
    "nstream": lambda problem, size: problem.n // size,
}


class Threads(Runtime):
    """What the runtimes with a team of threads in each member share."""

    # The cpus that are this process's own.
    cpus: ClassVar[list[int]] = sorted(os.sched_getaffinity(0))
    count_option = "threads"
    options = {"*": (Option("threads", None, "threads (default: one a cpu)", examples=(1, 2, 3)),)}

    def threads(self, job: Job) -> int:
        return count(job.options)

    def refuse(self, job: Job, size: int) -> None:
        threads = self.threads(job)
        if threads < 1:
            raise Refusal("--threads", f"{threads} is too few", "use at least 1")
        most = MOST[job.kernel](job.problem, size) if job.kernel in MOST else threads
        if threads > most:
            raise Refusal("--threads", f"{threads} is too many for this problem", f"use at most {most}")


def count(options: Mapping[str, Any]) -> int:
    """Return the threads that the options ask for."""
    return max(1, len(Threads.cpus)) if options["threads"] is None else options["threads"]
