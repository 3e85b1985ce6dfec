"""OpenSHMEM: puts into symmetric memory and flags, over MPI's windows or on a real OpenSHMEM."""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from prk.job import Job, Outcome
from prk.problem import Problem, Refusal
from prk.reduce import schedules
from prk.run import environment
from prk.runtime import Cell, Option, Options, Sent

from .. import _pic, _sent
from .._mpi import MPIRuntime
from . import heap, steps

REAL = "shmem4py"
HANDSHAKE = "whether a flag is taken back before it is raised again"
# Over windows the library would carry it out as it does mpi1's.
NO_COLLECTIVES = "only puts and flags are measured here: over MPI's windows a reduction would be mpi1's"


def sparse_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes; the vector is symmetric unless only what is needed of it travels."""
    if options["gather"] == "needed":
        return _sent.sparse_memory(problem, options, size)
    return problem.memory(size) - problem.vector_bytes(size)


def dgemm_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes without those of A and B, which are symmetric."""
    return problem.memory(size) - 2 * problem.memory_of_block(size)


def reduce_memory(problem: Any, options: Options, size: int) -> int:
    """Return the problem's bytes, with those of what a PE gets."""
    return problem.memory(size) + 8 * min(problem.n, schedules.SEGMENT)


class Runtime(MPIRuntime):
    name = "shmem"
    title = "OpenSHMEM: one-sided puts and flags"
    look = ("#cc79a7", "D", (2.5, 1.2))
    mortal = "OpenSHMEM has no word for a PE that is gone, and ends all of them"
    cells = {
        "*": Cell(
            options=(
                Option(
                    "shmem-backend", "rma", "what carries the puts, MPI windows or OpenSHMEM", ("rma", REAL)
                ),
            )
        ),
        "nstream": Cell(messages=_sent.nothing),
        "branch": Cell(messages=_sent.nothing),
        "stencil": Cell(heap=heap.stencil, messages=_sent.halos, schedule=steps.stencil),
        "amr": Cell(heap=heap.amr, messages=_sent.grids),
        "synch_p2p": Cell(
            options=(Option("handshake", "off", HANDSHAKE, ("off", "on")),),
            heap=heap.synch_p2p,
            messages=_sent.pipeline_of_any,
            schedule=steps.synch_p2p,
        ),
        "transpose": Cell(heap=heap.transpose, messages=_sent.blocks, schedule=steps.transpose),
        "refcount": Cell(heap=heap.refcount, messages=_sent.exclusive_updates),
        "random": Cell(heap=heap.random, messages=_sent.values_of_others),
        "sparse": Cell(
            options=(_sent.GATHER,), memory=sparse_memory, heap=heap.sparse, messages=_sent.slices
        ),
        "dgemm": Cell(memory=dgemm_memory, heap=heap.dgemm, messages=_sent.panels_of_others),
        "synch_global": Cell(heap=heap.synch_global, messages=_sent.digits_to_all),
        "reduce": Cell(
            options=(Option("algorithm", "binary-tree", "who gets whose sums", schedules.TREES),),
            memory=reduce_memory,
            heap=heap.reduce,
            messages=_sent.from_children,
        ),
        "pic": replace(_pic.TILES, heap=heap.pic, messages=_pic.in_memory),
        "adaptive": Cell(absent=_sent.NOT_READY),
        "allreduce": Cell(absent=NO_COLLECTIVES),
        "layers": Cell(absent=_sent.ALONE),
        "inference": Cell(absent=_sent.POLLED),
        "models": Cell(absent=_sent.ALONE),
        "ddp": Cell(absent=NO_COLLECTIVES),
    }

    def need(self, kernel: str, problem: Problem, size: int) -> int:
        """Return the bytes of symmetric memory that the kernel allocates on each PE."""
        own = self.cell(kernel).heap
        return own(problem, size) if own else 0

    def memory(self, kernel: str, problem: Problem, options: Options, size: int) -> int:
        return super().memory(kernel, problem, options, size) + self.need(kernel, problem, size)

    def counted(self, comm: Any) -> AbstractContextManager[tuple[Any, Callable[[], Sent] | None]]:
        # What a real OpenSHMEM puts is not counted; MPI is another library, and not there.
        return nullcontext((comm, None)) if hasattr(comm, "shmem") else super().counted(comm)

    def clockless(self, options: Options) -> str:
        real = options.get("shmem-backend") == REAL
        return f"{REAL} calls OpenSHMEM past every clock (--shmem-backend rma has them)" if real else ""

    def probe(self, job: Job, comm: Any) -> str:
        # One process can hold one of the two libraries, so a running team is on one backend.
        if (job.options["shmem-backend"] == REAL) != (f"{REAL}.shmem" in sys.modules):
            return "--shmem-backend: this team was started on the other backend; start another team"
        need = self.need(job.kernel, job.problem, comm.size)
        # A launcher need not give all PEs the same variables.
        return comm.bcast(heap.too_small(os.environ.get(heap.HEAP), need))

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Options, shared: str
    ) -> list[str]:
        # A real OpenSHMEM is another installation than MPI's, with a launcher of its own.
        own = options["shmem-backend"] == REAL and step[0] == "mpirun"
        return ["oshrun" if own else step[0], *step[1:], *words]

    def launch(self, job: Job) -> Outcome:
        if job.options["shmem-backend"] == "rma":
            return super().launch(job)
        if importlib.util.find_spec(REAL) is None:
            raise Refusal("--shmem-backend", f"{REAL} is not installed", f"OSHCC=oshcc pip install {REAL}")
        launched = environment.launched()
        if not launched:
            raise Refusal(
                "--shmem-backend",
                f"{REAL} runs under OpenSHMEM's launcher only",
                f"use: oshrun -n 2 python -m prk.{job.kernel} --runtime shmem --shmem-backend {REAL}",
            )
        from . import openshmem

        given = os.environ.get(heap.HEAP)
        asked = heap.in_bytes(given) if given else self.need(job.kernel, job.problem, launched[1])
        # The library fills the node's memory with a heap that it cannot hold, so it must not be asked to.
        here = asked * int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "1"))
        if here > environment.available_memory():
            raise Refusal(
                heap.HEAP,
                f"the symmetric heaps of this node's PEs take {here} bytes, more than it has",
                "use more nodes",
            )
        return openshmem.launch(job, asked)
