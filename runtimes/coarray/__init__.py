"""Coarray Fortran: puts, gets, events and image control by OpenCoarrays, in which a member is an image.

Fortran only communicates. The compute core works on the same memory as in all other runtimes.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from prk.job import Job
from prk.problem import Refusal
from prk.runtime import Cell, Clocks, Option, Options, Sent

from .. import _pic, _sent, _steps
from .._mpi import MPIRuntime
from . import compiler, sizes, steps

SYNC = Option("sync", "events", "how a neighbour is told: event post, or sync images", ("events", "images"))
ACCESS = Option("access", "put", "who moves a block: its sender, or its receiver", ("put", "get"))
NO_WORDS = "the counters are words of 64 bits, and gfortran's atomic subroutines know those of 32 only"
NO_OVERLAP = "co_sum returns with its result, so that no gradient is averaged under the backward pass"
# What OpenCoarrays calls that carries data. What sync images sends is none.
CARRIES = ("MPI_Put", "MPI_Get", "MPI_Accumulate", "MPI_Reduce", "MPI_Allreduce")


def parcels(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """In each batch, the values for each other image go there, after their number."""
    messages, values = 2 * problem.batches(size) * (size - 1), problem.leaving(rank, size)[1]
    return Sent(messages, 8 * (messages + 2 * values))


def slices(problem: Any, options: Options, size: int, rank: int) -> Sent:
    """A slice of the vector goes to every other image."""
    return _sent.slices(problem, {"gather": "all"}, size, rank)


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of a copy of what is summed."""
    return int(problem.memory(size)) + 8 * problem.n


class Runtime(MPIRuntime):
    name = "coarray"
    title = "Coarray Fortran by OpenCoarrays"
    look = ("#8b1a4a", ">", (6, 1.5, 1, 1.5))
    # OpenCoarrays asks for it.
    thread_level = "funneled"
    mortal = "OpenCoarrays is built without failed images, and ends all of them"
    cells = {
        "nstream": Cell(messages=_sent.nothing),
        "stencil": Cell(
            options=(SYNC,),
            memory=sizes.besides(sizes.stencil),
            messages=_sent.halos,
            schedule=steps.stencil,
        ),
        "amr": Cell(options=(SYNC,), memory=sizes.besides(sizes.amr), messages=_sent.grids),
        "synch_p2p": Cell(
            options=(SYNC,),
            memory=sizes.besides(sizes.synch_p2p),
            messages=_sent.pipeline,
            schedule=steps.synch_p2p,
        ),
        "transpose": Cell(
            options=(ACCESS,),
            memory=sizes.besides(sizes.transpose),
            messages=_sent.blocks,
            schedule=steps.transpose,
        ),
        "random": Cell(memory=sizes.besides(sizes.random), messages=parcels),
        "reduce": Cell(memory=reduce_memory, messages=_sent.reduction),
        "sparse": Cell(messages=slices),
        "dgemm": Cell(messages=_sent.panels_of_others),
        "synch_global": Cell(memory=sizes.besides(sizes.synch_global), messages=_sent.digits_to_all),
        "allreduce": Cell(
            only={"collective": ("allreduce",)}, messages=_sent.collective, schedule=_steps.library_allreduce
        ),
        "pic": replace(_pic.TILES, memory=_pic.outbox_memory, messages=_pic.in_memory),
        "refcount": Cell(absent=NO_WORDS),
        "ddp": Cell(absent=NO_OVERLAP),
        "adaptive": Cell(absent=_sent.NOT_READY),
        "branch": Cell(absent=_sent.ALONE),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.POLLED),
        "models": Cell(absent=_sent.ALONE),
    }

    def missing(self) -> str | None:
        return super().missing() or compiler.missing()

    def probe(self, job: Job, comm: Any) -> str:
        from . import library

        try:
            library.load(comm)
        except Refusal as refusal:
            return str(refusal)
        return ""

    def counted(self, comm: Any) -> AbstractContextManager[tuple[Any, Callable[[], Sent] | None]]:
        from .._mpi import count
        from . import library

        return count.counting(comm, library.load(comm).runtime, CARRIES)

    def clocked(self, comm: Any, calls: int) -> AbstractContextManager[tuple[Any, Clocks | None]]:
        from .._mpi import clocks
        from . import library

        return clocks.clocking(comm, calls, library.load(comm).runtime)

    def describe(self) -> dict[str, Any]:
        library = os.path.basename(compiler.opencoarrays())
        return {**super().describe(), "compiler": compiler.version(), "opencoarrays": library}
