"""Groups of ranks on one node, which share windows of memory and wait for each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numba import njit

from prk import decomposition
from prk.problem import Refusal

from .._compiled import first_error
from .._threads import team as threads
from .._threads.team import DONE, STRIDE, publish, wait
from .room import INSTEAD, Room


def largest(comm: MPI.Intracomm) -> int:
    """Return the largest group of consecutive ranks that some node holds, everywhere. Collective."""
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    nodes = comm.allgather(node.bcast(comm.rank))
    node.Free()
    return decomposition.common_group(nodes)


def try_share(comm: MPI.Intracomm) -> None:
    """Raise Refusal if the ranks of some node cannot share windows. Collective."""
    node: Any = comm.Split_type(MPI.COMM_TYPE_SHARED)
    try:
        MPI.Win.Allocate_shared(8, 8, comm=node).Free()
        wrong = ""
    except MPI.Exception as error:
        wrong = error.Get_error_string().splitlines()[0]
    node.Free()
    wrong = max(comm.allgather(wrong))
    if wrong:
        raise Refusal("--runtime", f"this MPI cannot allocate shared windows ({wrong})", INSTEAD)


class Group:
    """The ranks that share memory with this one: `size` consecutive ones, or as many as every node has.

    All groups allocate together: what there is no room for raises Refusal, on all ranks.
    """

    def __init__(self, comm: MPI.Intracomm, size: int | None):
        self.size = size or largest(comm)
        self.count = comm.size // self.size
        self.index, self.rank = divmod(comm.rank, self.size)
        self.first = self.index * self.size
        self.comm: Any = comm.Split(self.index, comm.rank)
        self.room = Room(comm, self._window(8), "--runtime", f"enlarge it, or {INSTEAD}")
        self.windows: list[MPI.Win] = []

    def share(self, shape: Sequence[int], dtype: Any = np.float64) -> list[np.ndarray]:
        """Allocate an array on each rank, for its own first touch; return those of all ranks. Collective."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self.room.take(size)
        window = self._window(size)
        window.Lock_all()
        self.windows.append(window)
        shapes = self.comm.allgather(tuple(shape))
        held: list[Any] = [window.Shared_query(rank)[0] for rank in range(self.size)]
        return [
            np.frombuffer(memory, dtype, np.prod(s)).reshape(s) if np.prod(s) else np.empty(s, dtype)
            for memory, s in zip(held, shapes, strict=True)
        ]

    def _window(self, size: int) -> MPI.Win:
        """Return a window with `size` bytes on this rank, for its own first touch. Collective."""
        apart = MPI.Info.Create({"alloc_shared_noncontig": "true"})
        window = MPI.Win.Allocate_shared(size, 1, apart, self.comm)
        apart.Free()
        return window

    def share_one(self, shape: Sequence[int], dtype: Any = np.float64) -> np.ndarray:
        """Return one array that all ranks of the group share. Collective."""
        return self.share(shape if self.rank == 0 else [0] * len(shape), dtype)[0]

    def flags(self) -> threads.Shared:
        """Return a flag a rank, all of them zero, for compiled code. Collective."""
        flags = self.share_one([(DONE + self.size) * STRIDE // 8], np.int64)
        if self.rank == 0:
            flags[:] = 0
        self.comm.Barrier()
        return threads.shared(flags, self.size)

    def sync(self) -> None:
        """Order this rank's loads and stores: before it tells another rank, and after it was told."""
        for window in self.windows:
            window.Sync()

    def close(self) -> None:
        for window in self.windows:
            window.Unlock_all()
            window.Free()
        self.room.close()
        self.comm.Free()


class Meeting:
    """Where a rank and its partners in the group wait for each other: messages, flags or a barrier."""

    def __init__(self, group: Group, partners: Sequence[int], way: str):
        self.group, self.way, self.times = group, way, 0
        self.requests: list[MPI.Prequest] = []
        self.partners = np.array(partners, np.int64)
        if way == "messages":
            nothing = np.empty(0)
            for partner in partners:
                self.requests += [
                    group.comm.Recv_init(nothing, partner),
                    group.comm.Send_init(nothing, partner),
                ]
        elif way == "flags":
            self.flags = group.flags()

    def __call__(self) -> None:
        """Return when all partners have called this as often as this rank."""
        self.group.sync()
        self.times += 1
        if self.way == "messages":
            MPI.Prequest.Startall(self.requests)
            MPI.Request.Waitall(self.requests)
        elif self.way == "flags":
            threads.check(meet(self.flags, self.group.rank, self.partners, self.times))
        else:
            self.group.comm.Barrier()
        self.group.sync()

    def close(self) -> None:
        for request in self.requests:
            request.Free()


@njit(nogil=True, cache=True)
def meet(flags, rank, partners, times):
    """Raise this rank's flag and wait for its partners'; return an error code."""
    publish(flags, DONE + rank, times)
    error = 0
    for partner in partners:
        error = first_error(error, wait(flags, DONE + partner, times))
    return error
