"""OpenSHMEM: puts into symmetric memory and flags, over MPI's windows or on a real OpenSHMEM."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from prk import environment
from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Option

from ..mpi import MPIRuntime

# The variable of the OpenSHMEM standard that sets the symmetric heap.
HEAP = "SHMEM_SYMMETRIC_SIZE"
REAL = "shmem4py"


class Runtime(MPIRuntime):
    name = "shmem"
    title = "OpenSHMEM: one-sided puts and flags"
    options = {
        "*": (
            Option("shmem-backend", "rma", "what carries the puts, MPI windows or OpenSHMEM", ("rma", REAL)),
        ),
        "synch_p2p": (
            Option(
                "handshake", "off", "whether a flag is taken back before it is raised again", ("off", "on")
            ),
        ),
    }

    def refuse(self, job: Job, size: int) -> None:
        given = os.environ.get(HEAP)
        need = self.need(job, size)
        if given and in_bytes(given) < need:
            raise Refusal(
                HEAP,
                f"{given} is too small a symmetric heap: {need} bytes a PE are needed",
                f"set it to {need}",
            )

    def probe(self, job: Job, comm: Any) -> str:
        # One process can hold one of the two libraries, so a running team is on one backend.
        if (job.options["shmem-backend"] == REAL) != (f"{REAL}.shmem" in sys.modules):
            return "--shmem-backend: this team was started on the other backend; start another team"
        return ""

    def need(self, job: Job, size: int) -> int:
        """Return the bytes of symmetric memory that the kernel allocates on each PE."""
        module = importlib.import_module(f"{__name__}.{job.kernel}")
        return module.symmetric_memory(job.problem, size)

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Mapping[str, Any], shared: str
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

        given = os.environ.get(HEAP)
        heap = in_bytes(given) if given else self.need(job, launched[1])
        # The library fills the node's memory with a heap that it cannot hold, so it must not be asked to.
        here = heap * int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "1"))
        if here > environment.available_memory():
            raise Refusal(
                HEAP,
                f"the symmetric heaps of this node's PEs take {here} bytes, more than it has",
                "use more nodes",
            )
        return openshmem.launch(job, heap)


def in_bytes(size: str) -> int:
    """Return what a size such as 512M or 2G means, as OpenSHMEM reads it."""
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    number, unit = (size[:-1], size[-1].upper()) if size[-1:].upper() in factors else (size, "")
    try:
        return int(float(number) * factors.get(unit, 1))
    except ValueError:
        raise Refusal(HEAP, f"{size!r} is no size", "use bytes, or a number with K, M, G or T") from None
