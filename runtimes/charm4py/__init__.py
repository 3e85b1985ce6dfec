"""Charm4py: over-decomposed chare arrays, driven by messages."""

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options, Sent

from .. import _pic, _sent, _tagged
from .._tagged import Tagged, sent
from .chares import charmrun, refuse_chares

# What Charm's balancers are called that there are; Charm says LB behind each.
BALANCERS = ("GreedyRefine", "Greedy", "Rotate")
BALANCER = Option("balancer", BALANCERS[0], "which of Charm's balancers moves chares", BALANCERS)
PLACED = "who has the pieces of all grids: members, or blocks that Charm moves"
LB_PERIOD = Option(
    "lb_period", 3, "repetitions from one look of Charm at the load to the next", examples=(2,)
)
# Elements of a vector that are reduced at a time: few enough to need little memory, 8 MiB.
SEGMENT = 1 << 20


def transpose_sent(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Pieces of blocks to the chares of other processing elements, the matrix to those of this one."""
    return sent.transpose(problem, size, sent.SIDE, options["overdecomposition"])


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of a segment as it leaves, on its way, and as it arrives."""
    return problem.memory(size) + 3 * 8 * min(problem.n, SEGMENT)


def reduce_sent(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """Every chare contributes its vector, a segment at a time."""
    return Sent(-(-problem.n // SEGMENT), 8 * problem.n)


def refuse_balance(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if borders never move as is asked for, or a balancer has nothing to do."""
    _pic.refuse(problem, options, size)
    if options["balance"] != "runtime" and options["balancer"] != BALANCERS[0]:
        raise Refusal("--balancer", "Charm balances nothing", "leave it out, or use --balance runtime")


def amr_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes; of a block there are copies, packed, while it moves."""
    return problem.memory(size) * (3 if options["variant"] == "blocks" else 1)


def amr_sent(problem: Any, options: Options, size: int, rank: int) -> Iterator[Sent] | None:
    """Halos, and what is interpolated from; blocks send it, which are no members."""
    return None if options["variant"] == "blocks" else _sent.grids(problem, options, size, rank)


def refuse_blocks(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if Charm never moves a block as is asked for."""
    period = options["lb_period"]
    if options["variant"] != "blocks":
        for option, name in ((BALANCER, "--balancer"), (LB_PERIOD, "--lb-period")):
            if options[option.name] != option.default:
                raise Refusal(name, "Charm balances nothing", "leave it out, or use --variant blocks")
    elif not 1 <= period <= problem.iterations:
        raise Refusal(
            "--lb-period",
            f"Charm never looks at the load every {period} of {problem.iterations} repetitions",
            f"use 1 to {problem.iterations}",
        )


class Counting(_tagged.Counting):
    """A team that also counts what a kernel gives to the reductions of its chare."""

    @property
    def chare(self) -> "Counting":
        return self

    def allreduce(self, data: Any, reducer: Any) -> Any:
        self.count(data)
        return self.team.chare.allreduce(data, reducer)  # type: ignore[attr-defined]

    def reduce(self, to: Any, data: Any, reducer: Any) -> None:
        self.count(data)
        self.team.chare.reduce(to, data, reducer)  # type: ignore[attr-defined]


class Runtime(Tagged):
    name = "charm4py"
    title = "Charm4py: chare arrays, message-driven"
    requires = ("charm4py",)
    install = "pip install 'prk[charm4py]'"
    count_option = "pe"
    look = ("#332288", "X", (5, 1.2, 1, 1.2, 1, 1.2))
    mortal = "the wheel's Charm++ is built without its fault tolerance, and ends all PEs"
    unclocked = "Charm4py's scheduler sends and receives, and runs other chares while one waits"
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
        "branch": Cell(messages=_sent.nothing),
        "stencil": Cell(grid=True, messages=_sent.halos),
        "amr": Cell(
            options=(
                Option("variant", "members", PLACED, ("members", "blocks")),
                LB_PERIOD,
                BALANCER,
            ),
            memory=amr_memory,
            refuse=refuse_blocks,
            grid=True,
            messages=amr_sent,
        ),
        "synch_p2p": Cell(messages=_sent.pipeline_of_any),
        "transpose": Cell(messages=transpose_sent),
        "sparse": Cell(options=(_sent.GATHER,), memory=sent.sparse_memory, messages=_sent.slices),
        "adaptive": Cell(messages=_sent.parcels_and_vectors),
        "dgemm": Cell(messages=_sent.panels),
        "refcount": Cell(absent=_sent.NOTHING_SHARED),
        "random": Cell(messages=_sent.values_of_others),
        "synch_global": Cell(messages=_sent.digits),
        "reduce": Cell(memory=reduce_memory, messages=reduce_sent),
        "pic": replace(
            _pic.TILES,
            options=(_pic.RUNTIME, _pic.PERIOD, _pic.AXES, BALANCER),
            refuse=refuse_balance,
            messages=_pic.leaving,
        ),
        "allreduce": Cell(only={"collective": ("allreduce",)}, messages=_sent.collective),
        "layers": Cell(absent=_sent.ALONE),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent="a replica of the model has a process to itself, which chares share"),
    }

    def members_a_rank(self, kernel: str, options: Options) -> int:
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
        # Seconds in which all have to come up: thousands of Pythons share a file system.
        patience = 60 + options["pe"] // 10
        # It writes the program's words into a script, all but the first, which is a path, as they are.
        told = [shutil.which(words[0]) or words[0], *map(shlex.quote, words[1:])]
        return [*start, "++timeout", str(patience), "++mpiexec", "++remote-shell", " ".join(step), *told]

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
