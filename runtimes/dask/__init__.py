"""Dask: one long-lived member a worker, halos from worker to worker."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options, Sent

from .. import _pic, _sent
from .._tagged import Tagged, sent

ADDRESS = "address of a running scheduler; default: DASK_SCHEDULER_ADDRESS, or an own cluster"
VARIANTS = ("blocks", "array")
# The squares in which a block travels: a message costs 0.3 ms besides its bytes, so that squares twice and
# four times as wide as the shared ones took less time.
SIDE = 1000
# What a run with faults cannot have.
UNFIT = (
    ("variant", "array", "a dask.array's blocks are no member's to copy", "use --variant blocks"),
    ("variant", "tasks", "the bands of tasks are no member's to copy", "use --variant members"),
    (
        "signal",
        "stop",
        "Dask's scheduler waits for minutes for a worker that only stopped",
        "use --signal kill",
    ),
)
# Elements of a message of sums, as many as such a square has, and how many of them are on their way.
SEGMENT, AHEAD = SIDE**2, 2
PLACED = "who updates a refinement: members, or tasks that Dask's scheduler places"


def transpose_sent(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Pieces of blocks; what a dask.array's rechunk sends is the scheduler's business."""
    return sent.transpose(problem, size, SIDE, 1) if options["variant"] == "blocks" else None


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of segments on their way; dask.arrays are new ones each time."""
    segments = (AHEAD + 2) * 8 * min(problem.n, SEGMENT)
    new = 8 * (size + 2) * problem.n
    return problem.memory(size) + (segments if options["variant"] == "tree" else new)


def reduce_sent(problem: Any, options: Options, size: int, rank: int) -> Sent | None:
    """Each worker sends its sums to its parent; what a dask.array's sum sends is the scheduler's business."""
    if options["variant"] == "array":
        return None
    return Sent(-(-problem.n // SEGMENT), 8 * problem.n) if rank else Sent()


def refuse_balance(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if nothing ever moves as is asked for, or blocks are narrower than a step."""
    _pic.refuse(problem, options, size)
    if options["balance"] == "runtime":
        _pic.refuse_blocks(problem, options, size)
    elif options["blocks"] != _pic.BLOCKS.default:
        raise Refusal("--blocks", "a worker has one tile", "leave it out, or use --balance runtime")


def amr_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes; tasks make new bands, while the ones before are there."""
    new = 8 * 4 * problem.fine**2 // size if options["variant"] == "tasks" else 0
    return problem.memory(size) + new


def amr_sent(problem: Any, options: Options, size: int, rank: int) -> Iterator[Sent] | None:
    """Halos, and what is interpolated from; what tasks get is the scheduler's business."""
    return None if options["variant"] == "tasks" else _sent.grids(problem, options, size, rank)


def refuse_bands(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if tasks cannot update bands of the refinements."""
    if options["variant"] != "tasks":
        return
    if problem.balance != "fine-grain" or problem.spread:
        raise Refusal("--variant", "Dask itself says where tasks run", "leave out --balance and --spread")
    most = problem.fine // problem.radius // size
    if not 1 <= options["bands"] <= most:
        works = f"use 1 to {most}" if most else "use a larger --refinement, or fewer workers"
        raise Refusal("--bands", f"{options['bands']} a worker are none, or thinner than the radius", works)


class Runtime(Tagged):
    name = "dask"
    title = "Dask: a pinned task a worker, messages between workers"
    requires = ("distributed", "dask")
    install = "pip install 'prk[dask]'"
    count_option = "workers"
    look = ("#117733", "p", (1.2, 2.2))
    recoveries = ("replace",)
    unclocked = "Dask's workers send and receive in an event loop beside what computes"
    pairs = ({"workers": 2},)
    cells = {
        "*": Cell(
            options=(
                Option("workers", 0, "worker processes; 0: as many as the cpu set, or the scheduler, has"),
                Option("scheduler", "", ADDRESS),
            )
        ),
        "nstream": Cell(messages=_sent.nothing),
        "branch": Cell(messages=_sent.nothing),
        "stencil": Cell(messages=_sent.halos),
        "amr": Cell(
            options=(
                Option("variant", "members", PLACED, ("members", "tasks")),
                Option("bands", 2, "bands of rows a worker into which tasks divide a refinement"),
            ),
            memory=amr_memory,
            refuse=refuse_bands,
            messages=amr_sent,
        ),
        "synch_p2p": Cell(messages=_sent.pipeline_of_any),
        "transpose": Cell(
            options=(Option("variant", "blocks", "messages of blocks, or dask.array's rechunk", VARIANTS),),
            messages=transpose_sent,
        ),
        "sparse": Cell(options=(_sent.GATHER,), memory=sent.sparse_memory, messages=_sent.slices),
        "adaptive": Cell(messages=_sent.parcels_and_vectors),
        "dgemm": Cell(messages=_sent.panels),
        "refcount": Cell(absent=_sent.NOTHING_SHARED),
        "random": Cell(messages=_sent.values_of_others),
        "synch_global": Cell(messages=_sent.digits_to_all),
        "reduce": Cell(
            options=(
                Option(
                    "variant", "tree", "messages up a binary tree, or dask.array's sum", ("tree", "array")
                ),
            ),
            memory=reduce_memory,
            messages=reduce_sent,
        ),
        "pic": replace(
            _pic.TILES,
            options=(_pic.RUNTIME, _pic.PERIOD, _pic.AXES, _pic.BLOCKS),
            refuse=refuse_balance,
            messages=_pic.leaving,
        ),
        "allreduce": Cell(
            only={"collective": ("allreduce",)},
            messages=sent.allreduce,
            warning="Dask has no collectives: this allreduce is made of messages between its workers",
        ),
        "layers": Cell(absent=_sent.ALONE),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent="Dask has no collectives, by which gradients are averaged"),
    }

    def probe(self, job: Job, comm: Any) -> str:
        if job.options.get("faults") == "on":
            for option, value, why, works in UNFIT:
                if job.options.get(option) == value:
                    return str(Refusal(f"--{option}", why, works))
        return super().probe(job, comm)

    def survivors(self, comm: Any) -> Any:
        from .faults import Workers

        return Workers(comm)

    def describe(self) -> dict[str, Any]:
        from . import team

        return dict(team.description)

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Options, shared: str
    ) -> list[str]:
        return [sys.executable, "-m", f"{__package__}.allocation", shared, *step, "--", *words]

    def launch(self, job: Job) -> Outcome:
        from . import cluster

        if job.options["workers"] < 0:
            raise Refusal(
                "--workers", f"{job.options['workers']} is negative", "use 0 for as many as there are"
            )
        return cluster.launch(job)
