"""MPI two-sided: the model that every other one is compared with."""

import os
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.reduce import schedules
from prk.runtime import Cell, Option, Options

from .. import _sent
from .._mpi import MPIRuntime
from . import sent

BROADCASTS = ("ring", "library")
ALGORITHMS = ("library", "ring", "recursive-doubling", "rabenseifner")
REDUCTIONS = ("library", *schedules.TREES, "long-optimal")


def refuse_algorithm(problem: Any, options: Options, size: int) -> None:
    """Raise Refusal if another collective than allreduce is wanted of an algorithm of ours."""
    algorithm, collective = options["algorithm"], problem.collective
    if algorithm != "library" and collective != "allreduce":
        raise Refusal(
            "--algorithm", f"{algorithm} is an allreduce, no {collective}", "use --algorithm library"
        )


def transpose_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes; a collective exchange holds the blocks of all ranks at once."""
    others = size - 1 if options["exchange"] == "alltoall" else 0
    return problem.memory(size) + 8 * 2 * others * (problem.order // size) ** 2


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of what arrives and of the sums of others than the root."""
    segment, held = 8 * min(problem.n, schedules.SEGMENT), 0
    if options["algorithm"] == "long-optimal":
        held = segment + 8 * -(-problem.n // size)
    elif options["algorithm"] in schedules.TREES:
        held = 2 * segment
    return problem.memory(size) + held


class Runtime(MPIRuntime):
    name = "mpi1"
    title = "MPI two-sided: send and receive"
    look = ("#0072b2", "o", ())
    cells = {
        "nstream": Cell(messages=_sent.nothing),
        "branch": Cell(messages=_sent.nothing),
        # NumPy has no other type.
        "layers": Cell(only={"dtype": ("float32",)}, messages=_sent.nothing),
        "models": Cell(messages=_sent.nothing),
        "refcount": Cell(absent=_sent.NOTHING_SHARED),
        "random": Cell(messages=sent.random),
        "reduce": Cell(
            options=(Option("algorithm", "library", "the library's own, or one of ours", REDUCTIONS),),
            memory=reduce_memory,
            messages=sent.reduce,
        ),
        "stencil": Cell(messages=_sent.halos),
        "synch_global": Cell(messages=_sent.digits),
        "synch_p2p": Cell(messages=_sent.pipeline),
        "transpose": Cell(
            options=(Option("exchange", "pairwise", "how the blocks travel", ("pairwise", "alltoall")),),
            memory=transpose_memory,
            messages=sent.transpose,
        ),
        "sparse": Cell(options=(_sent.GATHER,), memory=_sent.sparse_memory, messages=sent.sparse),
        "dgemm": Cell(
            options=(
                Option("broadcast", "ring", "how panels travel, round rings or by MPI's own", BROADCASTS),
            ),
            messages=sent.dgemm,
        ),
        "allreduce": Cell(
            options=(Option("algorithm", "library", "the library's own, or one of ours", ALGORITHMS),),
            refuse=refuse_algorithm,
            messages=sent.allreduce,
        ),
        "ddp": Cell(
            options=(
                Option("bucket-mb", 25.0, "megabytes of gradients reduced at once", examples=(0.02,)),
                Option(
                    "overlap", "thread", "how buckets are reduced meanwhile", ("thread", "nonblocking", "no")
                ),
            ),
            messages=sent.ddp,
        ),
    }

    def launch(self, job: Job) -> Outcome:
        if job.options.get("overlap") == "thread":
            # The thread that reduces gradients calls MPI while the main thread does not.
            self.thread_level = "serialized"
            # While it waits for a message, the core is the main thread's. Open MPI reads this at its start.
            os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
        return super().launch(job)
