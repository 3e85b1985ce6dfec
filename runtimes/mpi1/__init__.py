"""MPI two-sided: the model that every other one is compared with."""

import os
from dataclasses import replace
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.reduce import schedules
from prk.runtime import Cell, Option, Options
from prk.schedule import SEND

from .. import _pic, _sent, _steps
from .._mpi import MPIRuntime
from . import sent, steps

BROADCASTS = ("ring", "library")
ALGORITHMS = ("library", "ring", "recursive-doubling", "rabenseifner")
# Ranks end without waiting for each other: Open MPI's way of that may wait for those that died, for ever.
FAULTS = {"OMPI_MCA_async_mpi_finalize": "1"}
# By which a rank that only stopped is noticed: everybody hears from a neighbour every so often, in seconds.
DETECTOR = {
    "OMPI_MCA_mpi_ft_detector": "1",
    "OMPI_MCA_mpi_ft_detector_thread": "1",
    "OMPI_MCA_mpi_ft_detector_period": "0.3",
    "OMPI_MCA_mpi_ft_detector_timeout": "3",
}
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
    recoveries = ("shrink", "spares")
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
        "stencil": Cell(messages=_sent.halos, schedule=_steps.stencil_of_halos),
        "synch_global": Cell(messages=_sent.digits),
        "synch_p2p": Cell(messages=_sent.pipeline, schedule=_steps.pipelined(SEND)),
        "transpose": Cell(
            options=(Option("exchange", "pairwise", "how the blocks travel", ("pairwise", "alltoall")),),
            memory=transpose_memory,
            messages=sent.transpose,
            schedule=_steps.transpose_of_messages,
        ),
        "sparse": Cell(options=(_sent.GATHER,), memory=_sent.sparse_memory, messages=sent.sparse),
        "adaptive": Cell(messages=sent.adaptive),
        "dgemm": Cell(
            options=(
                Option("broadcast", "ring", "how panels travel, round rings or by MPI's own", BROADCASTS),
            ),
            messages=sent.dgemm,
        ),
        "amr": Cell(messages=_sent.grids),
        "pic": replace(_pic.TILES, messages=_pic.in_messages),
        "allreduce": Cell(
            options=(Option("algorithm", "library", "the library's own, or one of ours", ALGORITHMS),),
            refuse=refuse_algorithm,
            messages=sent.allreduce,
            schedule=steps.allreduce,
        ),
        "ddp": Cell(
            options=(
                _sent.BUCKET,
                _sent.OPTIMIZER,
                Option(
                    "overlap", "thread", "how buckets are reduced meanwhile", ("thread", "nonblocking", "no")
                ),
            ),
            messages=sent.ddp,
            schedule=_steps.buckets,
        ),
    }

    def launch(self, job: Job) -> Outcome:
        if job.options.get("faults") == "on":
            # Open MPI reads them at its start.
            os.environ.update(FAULTS)
            if job.options["signal"] == "stop":
                self._detect()
        if job.options.get("overlap") == "thread":
            # The thread that reduces gradients calls MPI while the main thread does not.
            self.thread_level = "serialized"
            # While it waits for a message, the core is the main thread's. Open MPI reads this at its start.
            os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
        return super().launch(job)

    def launcher_words(self, options: Options) -> tuple[str, ...]:
        return ("--with-ft", "ulfm") if options.get("faults") == "on" else ()

    def _detect(self) -> None:
        """Have Open MPI notice ranks that only stopped."""
        import mpi4py

        os.environ.update(DETECTOR)
        # Its end would wait for ever for a neighbour's word, if that one stopped.
        mpi4py.rc.finalize = False

    def probe(self, job: Job, comm: Any) -> str:
        from .._mpi import ulfm

        if job.options.get("faults") == "on" and not ulfm.enabled():
            works = "use Open MPI 5 and start it by: mpirun --with-ft ulfm"
            return str(Refusal("--faults", "this launch ends with the first rank that dies", works))
        return super().probe(job, comm)

    def survivors(self, comm: Any) -> Any:
        from .._mpi import ulfm

        return ulfm.Survivors(comm.Dup())
