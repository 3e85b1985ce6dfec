"""MPI one-sided: a rank puts into, or gets from, the window that another one exposes."""

from typing import Any

from prk.job import Job
from prk.problem import Refusal
from prk.runtime import Option

from ..mpi import MPIRuntime

SYNC = "when a window may be accessed"


class Runtime(MPIRuntime):
    name = "mpirma"
    title = "MPI one-sided: put and get"
    options = {
        "*": (Option("window", "allocate", "whose memory it is: MPI's, or NumPy's", ("allocate", "create")),),
        "stencil": (Option("sync", "fence", SYNC, ("fence", "pscw", "passive")),),
        "synch_p2p": (Option("sync", "pscw", SYNC, ("pscw", "passive")),),
        "transpose": (
            Option("sync", "fence", SYNC, ("fence", "passive")),
            Option("access", "put", "who moves a block: its sender, or its receiver", ("put", "get")),
            Option("bundle", 1, "blocks moved before a flush or fence", examples=(2, 5)),
        ),
    }

    def refuse(self, job: Job, size: int) -> None:
        if job.options.get("bundle", 1) < 1:
            raise Refusal("--bundle", f"{job.options['bundle']} is too few", "use at least 1")

    def memory(self, job: Job, size: int) -> int:
        need = job.problem.memory(size)
        if job.kernel == "transpose":
            block = 8 * (job.problem.order // size) ** 2
            need += 2 * block * (min(job.options["bundle"], size - 1) - 1)
        return need

    def probe(self, job: Job, comm: Any) -> str:
        from .. import onesided

        return onesided.wrong(comm, job.options["window"])
