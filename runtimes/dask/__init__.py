"""Dask: one long-lived member a worker, halos from worker to worker."""

import sys
from collections.abc import Sequence
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Cell, Option, Options, Sent

from .. import _sent
from .._tagged import Tagged, sent

ADDRESS = "address of a running scheduler; default: DASK_SCHEDULER_ADDRESS, or an own cluster"
VARIANTS = ("blocks", "array")
# The squares in which a block travels: a message costs 0.3 ms besides its bytes, so that squares twice and
# four times as wide as the shared ones took less time.
SIDE = 1000
# Elements of a message of sums, as many as such a square has, and how many of them are on their way.
SEGMENT, AHEAD = SIDE**2, 2


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


class Runtime(Tagged):
    name = "dask"
    title = "Dask: a pinned task a worker, messages between workers"
    requires = ("distributed", "dask")
    install = "pip install 'prk[dask]'"
    count_option = "workers"
    look = ("#117733", "p", (1.2, 2.2))
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
        "synch_p2p": Cell(messages=_sent.pipeline_of_any),
        "transpose": Cell(
            options=(Option("variant", "blocks", "messages of blocks, or dask.array's rechunk", VARIANTS),),
            messages=transpose_sent,
        ),
        "sparse": Cell(options=(_sent.GATHER,), memory=sent.sparse_memory, messages=_sent.slices),
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
        "allreduce": Cell(
            only={"collective": ("allreduce",)},
            messages=sent.allreduce,
            warning="Dask has no collectives: this allreduce is made of messages between its workers",
        ),
        "layers": Cell(absent=_sent.ALONE),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent="Dask has no collectives, by which gradients are averaged"),
    }

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
