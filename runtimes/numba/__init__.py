"""Threads in one process: a team that shares the arrays, each thread in its own compiled code."""

from prk.job import Job, Outcome
from prk.kernel import Solo
from prk.runtime import Option

from ..threaded import Threads


class Runtime(Threads):
    name = "numba"
    title = "threads in one process: compiled by Numba"
    options = {
        **Threads.options,
        "synch_p2p": (
            Option(
                "schedule", "pipeline", "threads wait for the left one, or all at each diagonal",
                ("pipeline", "wavefront"),
            ),
        ),
    }  # fmt: skip

    def launch(self, job: Job) -> Outcome:
        return job.run(Solo())
