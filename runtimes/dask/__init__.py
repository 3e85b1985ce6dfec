"""Dask: one long-lived member a worker, halos from worker to worker."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from prk.allreduce.problem import refuse_others
from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Option
from prk.runtime import Runtime as Base


class Runtime(Base):
    name = "dask"
    title = "Dask: a pinned task a worker, messages between workers"
    requires = ("distributed", "dask")
    install = "pip install 'prk[dask]'"
    count_option = "workers"
    options = {
        "*": (
            Option("workers", 0, "worker processes; 0: as many as the cpu set, or the scheduler, has"),
            Option(
                "scheduler",
                "",
                "address of a running scheduler; default: DASK_SCHEDULER_ADDRESS, or an own cluster",
            ),
        ),
        "transpose": (
            Option(
                "variant", "blocks", "messages of blocks, or dask.array's own rechunk", ("blocks", "array")
            ),
        ),
    }

    def refuse(self, job: Job, size: int) -> None:
        refuse_others(job)

    def warnings(self, job: Job) -> list[str]:
        if job.kernel == "allreduce":
            return ["Dask has no collectives: this allreduce is made of messages between its workers"]
        return []

    def describe(self) -> dict[str, Any]:
        from . import team

        return dict(team.description)

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Mapping[str, Any], shared: str
    ) -> list[str]:
        return [sys.executable, "-m", f"{__package__}.allocation", shared, *step, "--", *words]

    def launch(self, job: Job) -> Outcome:
        from . import cluster

        if job.options["workers"] < 0:
            raise Refusal(
                "--workers", f"{job.options['workers']} is negative", "use 0 for as many as there are"
            )
        return cluster.launch(job)
