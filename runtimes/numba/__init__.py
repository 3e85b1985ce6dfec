"""Threads in one process: a team that shares the arrays, each thread in its own compiled code."""

from typing import TYPE_CHECKING

from prk.kernel import Solo
from prk.runtime import Option

from ..threads import Threads

if TYPE_CHECKING:
    from prk.job import Job, Outcome


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

    def launch(self, job: "Job") -> "Outcome":
        return job.run(Solo())
