"""Threads in one process: a team that shares the arrays, each thread in its own compiled code."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from prk.job import Job, Outcome
from prk.runtime import Cell, Clocks, Option, Options
from prk.team import Crew, Solo

from .. import _pic
from .._pic import BLOCKS, PERIOD
from .._threads import Threads, count, refuse

SCHEDULES = ("pipeline", "wavefront")


BALANCE = "who pushes a block: its own thread, whoever is free, or its own unless one without work takes it"


def refuse_blocks(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if there are too many or too few threads, or blocks of cells for them."""
    refuse(problem, options, size)
    _pic.refuse_blocks(problem, options, count(options))


class Runtime(Threads):
    name = "numba"
    title = "threads in one process: compiled by Numba"
    look = ("#3aa0d8", "P", (7, 1.4, 2, 1.4))
    mortal = "its members are threads of one process"
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
        "amr": Cell(crew=True),
        "reduce": Cell(crew=True),
        "branch": Cell(crew=True),
        "refcount": Cell(crew=True),
        "synch_global": Cell(crew=True),
        "pic": Cell(
            options=(Option("balance", "none", BALANCE, ("none", "sharing", "stealing")), BLOCKS, PERIOD),
            refuse=refuse_blocks,
        ),
        "adaptive": Cell(absent="threads multiply tiles where they lie: nothing travels"),
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
