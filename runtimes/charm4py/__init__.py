"""Charm4py: over-decomposed chare arrays, driven by messages."""

import os
import shlex
from collections.abc import Sequence
from typing import Any, NoReturn

from prk.job import Job, Outcome
from prk.runtime import Cell, Option, Options, Sent

from .. import _sent, _tagged
from .._tagged import Tagged, sent
from .chares import charmrun, refuse_chares


def transpose_sent(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Pieces of blocks to the chares of other processing elements, the matrix to those of this one."""
    return sent.transpose(problem, size, sent.SIDE, options["overdecomposition"])


class Counting(_tagged.Counting):
    """A team that also counts what a kernel gives to the reductions of its chare."""

    @property
    def chare(self) -> "Counting":
        return self

    def allreduce(self, data: Any, reducer: Any) -> Any:
        self.count(data)
        return self.team.chare.allreduce(data, reducer)  # type: ignore[attr-defined]


class Runtime(Tagged):
    name = "charm4py"
    title = "Charm4py: chare arrays, message-driven"
    requires = ("charm4py",)
    install = "pip install 'prk[charm4py]'"
    count_option = "pe"
    look = ("#332288", "X", (5, 1.2, 1, 1.2, 1, 1.2))
    counting = Counting
    # In two processes, and in one, which two chares share.
    pairs = ({"pe": 2}, {"pe": 1, "overdecomposition": 2})
    cells = {
        "*": Cell(
            options=(
                Option("pe", 0, "processing elements, each a process; 0: as many as the cpu set has"),
                Option("overdecomposition", 1, "chares a processing element", examples=(2, 4)),
            )
        ),
        "nstream": Cell(messages=_sent.nothing),
        "stencil": Cell(grid=True, messages=_sent.halos),
        "synch_p2p": Cell(messages=_sent.pipeline_of_any),
        "transpose": Cell(messages=transpose_sent),
        "allreduce": Cell(only={"collective": ("allreduce",)}, messages=_sent.collective),
        "ddp": Cell(absent="a replica of the model has a process to itself, which chares share"),
    }

    def members_a_rank(self, options: Options) -> int:
        return options["overdecomposition"]

    def describe(self) -> dict[str, Any]:
        from . import team

        return team.describe()

    def leave(self, kernel: str, outcome: Outcome) -> NoReturn:
        from . import team

        team.end(kernel, outcome)

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Options, shared: str
    ) -> list[str]:
        # charmrun leaves a file in its folder, which the nodes read; without ++mpiexec it would use one node.
        start = ["env", f"--chdir={shared}", str(charmrun()), f"+p{options['pe']}"]
        return [*start, "++timeout", "60", "++mpiexec", "++remote-shell", shlex.join(step), *words]

    def launch(self, job: Job) -> Outcome:
        grid = self.cell(job.kernel).grid
        # charmrun sets it; which of its processes this is, only Charm knows, once it runs.
        if "NETSTART" in os.environ:
            from . import team

            team.start(job, grid)
        from . import launch

        pes = job.options["pe"] or len(os.sched_getaffinity(0))
        refuse_chares(job.problem, job.options, pes)
        return Outcome(launch.run(job, pes, grid))
