"""MPI two-sided: the model that every other one is compared with."""

from prk.runtime import Option

from ..mpi import MPIRuntime


class Runtime(MPIRuntime):
    name = "mpi1"
    title = "MPI two-sided: send and receive"
    options = {
        "transpose": (Option("exchange", "pairwise", "how the blocks travel", ("pairwise", "alltoall")),)
    }
