"""What the kernels put with: the running OpenSHMEM's memory, or a heap of their own over MPI."""

from typing import Any


def symmetric(comm: Any, heap: int) -> Any:
    """Return the symmetric memory of a team; over MPI a new heap of `heap` bytes. Collective."""
    if hasattr(comm, "shmem"):
        return comm.shmem
    from .rma import OneSided

    return OneSided(comm, heap)
