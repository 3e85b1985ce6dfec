"""Threads in one process: a team that shares the arrays, each thread in its own compiled code."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from prk.job import Job, Outcome
from prk.runtime import Cell, Clocks, Option
from prk.team import Crew, Solo

from .._threads import Threads, refuse

SCHEDULES = ("pipeline", "wavefront")


class Runtime(Threads):
    name = "numba"
    title = "threads in one process: compiled by Numba"
    look = ("#3aa0d8", "P", (7, 1.4, 2, 1.4))
    unclocked = ""
    cells = {
        "*": replace(Threads.cells["*"], shared=True),
        "synch_p2p": Cell(
            options=(
                Option(
                    "schedule",
                    "pipeline",
                    "threads wait for the left one, or all at each diagonal",
                    SCHEDULES,
                ),
            ),
        ),
        "reduce": Cell(crew=True),
        "branch": Cell(crew=True),
        "refcount": Cell(crew=True),
        "synch_global": Cell(crew=True),
        "allreduce": Cell(absent="one process is one member, with no other one to reduce with"),
        "layers": Cell(crew=True, only={"dtype": ("float32",)}),
        "models": Cell(absent="PyTorch computes with threads of its own: torch with --threads"),
        "ddp": Cell(absent="PyTorch computes with threads of its own, see --torch-threads"),
    }

    def clocked(self, comm: Any, calls: int) -> AbstractContextManager[tuple[Any, Clocks | None]]:
        from .._clocks import recorder

        return recorder.clocking(comm, calls)

    def launch(self, job: Job) -> Outcome:
        if not self.cell(job.kernel).crew:
            return job.run(Solo())
        refuse(job.problem, job.options, 1)
        return job.run(Crew(self.threads(job.options)))
