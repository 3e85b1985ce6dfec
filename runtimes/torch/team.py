"""The process group of gloo: from a team that already talks, or from torchrun's variables."""

import gc
from datetime import timedelta
from typing import Any

import torch.distributed as dist

# Loaded after a process group, its default arguments would hold it, and its threads outlive its end.
import torch.distributed.nn  # noqa: F401

from prk.run import environment

from .. import _addresses

# Seconds after which a rank that hears nothing gives up.
PATIENCE = timedelta(seconds=300)


def backends(backend: str) -> str:
    """Return the process group's backends: what is in the host's memory goes by gloo."""
    return "gloo" if backend == "gloo" else f"cpu:gloo,cuda:{backend}"


def join(comm: Any, backend: str = "gloo") -> None:
    """Make the process group of the team `comm`, once a process; the first rank holds the store."""
    if dist.is_initialized():
        return
    store = None
    nodes = comm.gather(environment.node())
    if comm.rank == 0:
        store = dist.TCPStore(_addresses.host(nodes), 0, comm.size, True, PATIENCE, wait_for_workers=False)
    host, port = comm.bcast((store.host, store.port) if store else None)
    store = store or dist.TCPStore(host, port, comm.size, False, PATIENCE)
    name, size = backends(backend), comm.size
    dist.init_process_group(name, store=store, rank=comm.rank, world_size=size, timeout=PATIENCE)


def leave() -> None:
    """Take the process group down, all ranks together: one whose threads outlive it aborts at its end."""
    if not dist.is_initialized():
        return
    # Wrapped models are part of cycles, and hold the group.
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()


class Elastic:
    """The team that torchrun started, with the names of an mpi4py communicator."""

    def __init__(self, backend: str = "gloo") -> None:
        dist.init_process_group(backends(backend), timeout=PATIENCE)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def barrier(self) -> None:
        dist.barrier()

    def gather(self, sendobj: Any) -> list[Any] | None:
        found = [None] * self.size if self.rank == 0 else None
        dist.gather_object(sendobj, found)
        return found

    def bcast(self, obj: Any) -> Any:
        values = [obj]
        dist.broadcast_object_list(values)
        return values[0]
