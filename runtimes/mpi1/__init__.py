"""MPI two-sided: the model that every other one is compared with."""

from prk.job import Job
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
            Option("overlap", "yes", "reduce during the backward pass or after it", ("yes", "no")),
        ),
    }

    def refuse(self, job: Job, size: int) -> None:
        algorithm = job.options.get("algorithm", "library")
        collective = getattr(job.problem, "collective", "allreduce")
        if algorithm != "library" and collective != "allreduce":
            raise Refusal(
                "--algorithm", f"{algorithm} is an allreduce, no {collective}", "use --algorithm library"
            )
