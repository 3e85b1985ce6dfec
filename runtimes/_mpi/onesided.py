"""Windows that other ranks put into, and how these say that they have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from prk import memory

from .._threads import team as threads
from . import calls
from .room import Room

REMEDY = "use create, which needs no room there, or enlarge it"


def allocate(
    comm: MPI.Intracomm,
    shape: Sequence[int],
    flavour: str,
    dtype: Any = np.float64,
    said: tuple[str, str] = ("--window", REMEDY),
) -> tuple[MPI.Win, np.ndarray]:
    """Return a window with a displacement unit of one item, and its memory as an array. Collective.

    Raises Refusal, on all ranks, if there is no room for it; `said` is its option and what would work.
    """
    dtype = np.dtype(dtype)
    if flavour == "create":
        array = memory.empty(tuple(shape), dtype)
        return MPI.Win.Create(array, dtype.itemsize, comm=comm), array
    size = int(np.prod(shape)) * dtype.itemsize
    small = MPI.Win.Allocate(8, 8, comm=comm)
    room = Room(comm, small, *said)
    room.take(size)
    room.close()
    window = MPI.Win.Allocate(size, dtype.itemsize, comm=comm)
    held: Any = window.tomemory()
    if not size:
        return window, np.empty(shape, dtype)
    array = np.frombuffer(held, dtype).reshape(shape)
    # What is only promised would seem to be free when the next window is made.
    array[...] = 0
    return window, array


def wrong(comm: MPI.Intracomm, flavour: str) -> str:
    """Return the line that refuses windows of this flavour if they fail here, else nothing. Collective."""
    try:
        window, array = allocate(comm, [1], flavour)
        array[0] = -1.0
        window.Fence()
        window.Put(np.array([float(comm.rank)]), (comm.rank + 1) % comm.size)
        window.Fence(MPI.MODE_NOSUCCEED)
        found = "" if array[0] == (comm.rank - 1) % comm.size else "a put did not arrive"
        window.Free()
    except MPI.Exception as error:
        found = error.Get_error_string().splitlines()[0]
    reason = max(comm.allgather(found))
    other = "create" if flavour == "allocate" else "allocate"
    return f"--window: {flavour} does not work in this MPI ({reason}); use {other}" if reason else ""


def wrong_xor(comm: MPI.Intracomm, flavour: str) -> str:
    """Return the line that refuses to accumulate by XOR if that goes wrong here, else nothing. Collective."""
    window, array = allocate(comm, [1], flavour, np.uint64)
    array[0] = 6
    window.Fence()
    word = [np.array([3], np.uint64), 1, MPI.UINT64_T]
    window.Accumulate(word, (comm.rank + 1) % comm.size, [0, 1, MPI.UINT64_T], MPI.BXOR)
    window.Fence(MPI.MODE_NOSUCCEED)
    wrong = comm.allreduce(bool(array[0] != 5), MPI.LOR)
    window.Free()
    remedy = "use --access put; or, in Open MPI, set OMPI_MCA_osc_rdma_acc_use_amo=0"
    return f"--access: this MPI does not XOR rightly in windows of others; {remedy}" if wrong else ""


class Landing:
    """Memory into which the neighbours put once a repetition, into its two halves in turn.

    A neighbour that is one repetition ahead puts into the other half; two ahead it cannot be, because it
    has waited for this rank's own puts. So one synchronisation a repetition is enough.
    """

    def __init__(self, comm: MPI.Intracomm, neighbours: Sequence[int], size: int, dtype: Any, options):
        self.comm, self.neighbours, self.sync, self.turn = comm, list(neighbours), options["sync"], 0
        self.size = comm.allreduce(size, MPI.MAX)
        self.window, self.halves = allocate(comm, (2, self.size), options["window"], dtype)
        if self.sync == "fence":
            self.window.Fence()
        elif self.sync == "pscw":
            self.group = comm.Get_group().Incl(self.neighbours)
        else:
            self.counters = Counters(comm, options["window"])
            self.window.Lock_all()

    def open(self) -> None:
        """Begin a repetition: let the neighbours put, and be let."""
        self.turn += 1
        if self.sync == "pscw":
            self.window.Post(self.group)
            self.window.Start(self.group)

    def put(self, points: np.ndarray, to: int, displacement: int) -> None:
        """Put contiguous points into a neighbour's half; they may change after `close` only."""
        self.window.Put(points, to, displacement + self.size * (self.turn % 2))

    def close(self) -> np.ndarray:
        """End a repetition; return the half that all neighbours have put into."""
        if self.sync == "fence":
            self.window.Fence()
        elif self.sync == "pscw":
            self.window.Complete()
            self.window.Wait()
        else:
            self.window.Flush_all()
            for neighbour in self.neighbours:
                self.counters.raise_at(neighbour)
            for neighbour in self.neighbours:
                self.counters.wait_for(neighbour, self.turn)
        return self.halves[self.turn % 2]

    def free(self) -> None:
        if self.sync == "fence":
            self.window.Fence(MPI.MODE_NOSUCCEED)
        elif self.sync == "passive":
            self.window.Unlock_all()
            self.counters.free()
        self.window.Free()


class Counters:
    """For each rank a counter in this rank's window, which that rank raises."""

    def __init__(self, comm: MPI.Intracomm, flavour: str):
        self.rank = comm.rank
        self.window, self.counts = allocate(comm, [comm.size], flavour, np.int64)
        self.calls = calls.window(self.window, comm)
        self.one = np.ones(1, np.int64)
        self.window.Lock_all()
        self.counts[:] = 0
        self.window.Sync()
        comm.Barrier()

    def raise_at(self, rank: int) -> None:
        """Add 1 to this rank's counter at another one."""
        self.window.Accumulate([self.one, MPI.INT64_T], rank, (self.rank, 1, MPI.INT64_T), MPI.SUM)
        self.window.Flush(rank)

    def wait_for(self, rank: int, times: int) -> None:
        """Wait until another rank has raised its counter here so often."""
        code = calls.await_flag(self.calls, self.counts[rank:].ctypes.data, times)
        threads.check(code < 0)
        calls.succeed(code)

    def free(self) -> None:
        self.window.Unlock_all()
        self.window.Free()
