"""MPI two-sided: the model that every other one is compared with."""

import os

from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.runtime import Option

from ..mpi import MPIRuntime


class Runtime(MPIRuntime):
    name = "mpi1"
    title = "MPI two-sided: send and receive"
    options = {
        "transpose": (Option("exchange", "pairwise", "how the blocks travel", ("pairwise", "alltoall")),),
        "allreduce": (
            Option(
                "algorithm",
                "library",
                "the library's own, or one of ours",
                ("library", "ring", "recursive-doubling", "rabenseifner"),
            ),
        ),
        "ddp": (
            Option("bucket-mb", 25.0, "megabytes of gradients reduced at once", examples=(0.02,)),
            Option("overlap", "thread", "how buckets are reduced meanwhile", ("thread", "nonblocking", "no")),
        ),
    }

    def launch(self, job: Job) -> Outcome:
        if job.options.get("overlap") == "thread":
            # The thread that reduces gradients calls MPI while the main thread does not.
            self.thread_level = "serialized"
            # While it waits for a message, the core is the main thread's. Open MPI reads this at its start.
            os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
        return super().launch(job)

    def refuse(self, job: Job, size: int) -> None:
        algorithm = job.options.get("algorithm", "library")
        collective = getattr(job.problem, "collective", "allreduce")
        if algorithm != "library" and collective != "allreduce":
            raise Refusal(
                "--algorithm", f"{algorithm} is an allreduce, no {collective}", "use --algorithm library"
            )
