"""UPC's shared arrays with a block a thread, its barrier, and counters for which a thread waits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.memory import fetch_add

from .._compiled import first_error
from .._mpi import calls, onesided
from .._mpi.calls import Window, await_flag, flush, put_flag
from .._mpi.group import Group
from .._mpi.largecount import message
from .._mpi.room import INSTEAD
from .._threads import team as threads
from .._threads.team import DONE, STRIDE, publish, wait

# A half-open range of each index.
Place = tuple[tuple[int, int], ...]
# The words of a cache line.
APART = 8


class Threads:
    """The ranks as the threads of one program. Making it, and all that it makes, is collective."""

    def __init__(self, comm: MPI.Intracomm, access: str):
        self.comm = comm
        # The threads whose blocks can be loaded from, all or none.
        self.group = Group(comm, comm.size) if access == "loads" else None
        self.arrays: list[Got] = []
        self.mutexes: list[MPI.Win] = []

    def array(self, shape: Sequence[int], dtype: Any = np.float64) -> "Shared":
        """Return a shared array, of which this thread's block has this shape."""
        if self.group:
            blocks = self.group.share(shape, dtype)
            return Shared(blocks[self.comm.rank], blocks, self.group.windows[-1])
        said = "--runtime", f"enlarge it, or {INSTEAD}"
        window, own = onesided.allocate(self.comm, shape, "allocate", dtype, said)
        window.Lock_all()
        self.arrays.append(Got(self.comm, own, window))
        return self.arrays[-1]

    def locks(self) -> MPI.Win:
        """Return a window that is there for its locks, one on each thread (upc_lock_t)."""
        self.mutexes.append(MPI.Win.Allocate(8, 8, comm=self.comm))
        return self.mutexes[-1]

    def barrier(self) -> None:
        """Return when all threads are here: what they stored before, all of them see (upc_barrier)."""
        self.sync()
        self.comm.Barrier()
        self.sync()

    def sync(self) -> None:
        """Order this thread's accesses: before it tells another one, and after it was told."""
        for window in self.group.windows if self.group else [array.window for array in self.arrays]:
            window.Sync()

    def close(self) -> None:
        if self.group:
            self.group.close()
        for array in self.arrays:
            array.close()
        for window in self.mutexes:
            window.Free()


class Shared:
    """An array with a block a thread, all of which this one can load from and store to."""

    def __init__(self, own: np.ndarray, blocks: list[np.ndarray], window: MPI.Win):
        # The block with affinity to this thread, as private memory.
        self.own, self.blocks, self.window = own, blocks, window

    def pull(self, thread: int, place: Place, room: np.ndarray) -> np.ndarray:
        """Return a part of a thread's block: where it lies, or a copy in `room`, which is as large."""
        return self.blocks[thread][tuple(slice(*span) for span in place)]

    def memget(self, into: np.ndarray, thread: int, place: Place) -> None:
        """Copy a part of a thread's block into contiguous memory (upc_memget)."""
        into[...] = self.pull(thread, place, into)


class Got(Shared):
    """An array with a block a thread, of which the other ones' are copied from their windows."""

    def __init__(self, comm: MPI.Intracomm, own: np.ndarray, window: MPI.Win):
        super().__init__(own, [], window)
        self.shapes = comm.allgather(own.shape)
        self.kinds: dict[tuple[int, Place], MPI.Datatype] = {}

    def pull(self, thread: int, place: Place, room: np.ndarray) -> np.ndarray:
        self.begin(thread, place, room)
        self.window.Flush(thread)
        return room

    def memget(self, into: np.ndarray, thread: int, place: Place) -> None:
        self.pull(thread, place, into)

    def begin(self, thread: int, place: Place, room: np.ndarray) -> None:
        """Begin a copy, which is there after a flush."""
        if (thread, place) not in self.kinds:
            starts = [first for first, _ in place]
            element = MPI.Datatype.fromcode(self.own.dtype.char)
            kind = element.Create_subarray(self.shapes[thread], room.shape, starts)
            self.kinds[thread, place] = kind.Commit()
        self.window.Get(message(room), thread, [0, 1, self.kinds[thread, place]])

    def close(self) -> None:
        for kind in self.kinds.values():
            kind.Free()
        self.window.Unlock_all()
        self.window.Free()


class Counters(NamedTuple):
    """What compiled code needs for counters, one a thread, which others raise and that thread waits for."""

    loads: bool
    window: Window
    flags: threads.Shared
    rank: int
    # The word that is sent, and in windows this thread's own one.
    word: np.ndarray
    own: np.ndarray


def counters(team: Threads, semaphore: bool) -> Counters:
    """Return a counter a thread, 0: strict words, which are set, or semaphores, which count posts."""
    shared, word = team.array([APART], np.int64), np.ones(1, np.int64)
    shared.own[:] = 0
    flags = team.group.flags() if team.group else threads.shared(word, 1)
    operation = MPI.SUM if semaphore else MPI.REPLACE
    window = calls.window(shared.window, team.comm, MPI.INT64_T, operation)
    team.barrier()
    return Counters(team.group is not None, window, flags, team.comm.rank, word, shared.own)


@njit(nogil=True, cache=True)
def set_strict(counter, to, value):
    """Set a thread's counter after all that this one did before; return MPI's error code."""
    if counter.loads:
        publish(counter.flags, DONE + to, value)
        return 0
    counter.word[0] = value
    return first_error(put_flag(counter.window, counter.word.ctypes.data, to, 0), flush(counter.window, to))


@njit(nogil=True, cache=True)
def post(counter, to):
    """Post a thread's semaphore after all that this one did before; return MPI's error code."""
    if counter.loads:
        fetch_add(counter.flags.flags + STRIDE * (DONE + to), 1)
        return 0
    return first_error(put_flag(counter.window, counter.word.ctypes.data, to, 0), flush(counter.window, to))


@njit(nogil=True, cache=True)
def await_counter(counter, value):
    """Wait until this thread's counter has reached `value`; return MPI's error code, less than 0 if vain."""
    if counter.loads:
        return wait(counter.flags, DONE + counter.rank, value)
    return await_flag(counter.window, counter.own.ctypes.data, value)
