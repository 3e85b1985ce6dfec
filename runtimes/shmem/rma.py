"""OpenSHMEM over MPI-3 windows: the names of shmem4py, one window as the symmetric heap."""

from typing import Any

import numpy as np
from mpi4py import MPI

from .. import _clocks
from .._mpi import calls
from .._mpi.largecount import message
from .._mpi.room import INSTEAD, Room
from . import compiled
from .heap import rounded


class OneSided:
    """A symmetric heap of `heap` bytes on every rank of `comm`. Creating and closing it is collective."""

    def __init__(self, comm: MPI.Intracomm, heap: int):
        self.comm, self.used = comm, 0
        small = MPI.Win.Allocate(8, 8, comm=comm)
        room = Room(comm, small, "--runtime", f"enlarge it, or {INSTEAD}")
        room.take(heap)
        room.close()
        self.window = MPI.Win.Allocate(max(heap, 64), 1, MPI.INFO_NULL, comm)
        self.memory = np.asarray(self.window.tomemory()).view(np.uint8)
        self.memory[:] = 0
        self.window.Lock_all(MPI.MODE_NOCHECK)
        self.scratch = np.zeros(64, np.int64)
        self.calls = compiled.Calls(
            over_mpi=1,
            put=calls.address("MPI_Put"),
            get=calls.address("MPI_Get"),
            order=calls.address("MPI_Win_flush"),
            set=calls.address("MPI_Accumulate"),
            add=calls.address("MPI_Fetch_and_op"),
            lock=calls.address("MPI_Compare_and_swap"),
            unlock=0,
            progress=calls.address("MPI_Iprobe"),
            sched_yield=_clocks.yielding(),
            base=self.memory.ctypes.data,
            window=calls.handle(self.window),
            double=calls.handle(MPI.DOUBLE),
            word=calls.handle(MPI.INT64_T),
            replace=calls.handle(MPI.REPLACE),
            sum=calls.handle(MPI.SUM),
            equal=np.int32(0),
            comm=calls.handle(comm),
            any_source=MPI.ANY_SOURCE,
            any_tag=MPI.ANY_TAG,
            scratch=self.scratch.ctypes.data,
        )

    def my_pe(self) -> int:
        return self.comm.rank

    def n_pes(self) -> int:
        return self.comm.size

    def zeros(self, shape: Any, dtype: Any = float) -> np.ndarray:
        """Return a symmetric array of zeros, at the same place in every heap. Collective."""
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        start = self.used
        self.used += rounded(size)
        if self.used > self.memory.size:
            raise MemoryError(
                f"the symmetric heap of {self.memory.size} bytes is full, {self.used} are needed"
            )
        self.barrier_all()
        return self.memory[start : start + size].view(dtype).reshape(shape)

    def put(self, target: np.ndarray, source: np.ndarray, pe: int) -> None:
        """Copy `source` to the symmetric `target` on `pe`; `source` may change afterwards."""
        data = message(source)
        self.window.Put(data, pe, [self._place(target), *data[1:]])
        self.window.Flush_local(pe)

    def get(self, target: np.ndarray, source: np.ndarray, pe: int) -> None:
        """Copy the symmetric `source` on `pe` to `target`."""
        data = message(target)
        self.window.Get(data, pe, [self._place(source), *data[1:]])
        self.window.Flush(pe)

    def get_nbi(self, target: np.ndarray, source: np.ndarray, pe: int) -> None:
        """Begin to copy the symmetric `source` on `pe` to `target`, which is there after `quiet`."""
        data = message(target)
        self.window.Get(data, pe, [self._place(source), *data[1:]])

    def atomic_inc(self, target: np.ndarray, pe: int) -> None:
        """Add 1 to the symmetric int64 `target` on `pe`."""
        self.window.Accumulate(
            [np.ones(1, np.int64), MPI.INT64_T], pe, [self._place(target), 1, MPI.INT64_T], MPI.SUM
        )
        self.window.Flush(pe)

    def atomic_fetch_add(self, target: np.ndarray, value: int, pe: int) -> int:
        """Add `value` to the symmetric int64 `target` on `pe`; return what it was."""
        before = np.zeros(1, np.int64)
        added = [np.array([value], np.int64), MPI.INT64_T]
        self.window.Fetch_and_op(added, [before, MPI.INT64_T], pe, self._place(target), MPI.SUM)
        self.window.Flush(pe)
        return int(before[0])

    def put_signal(
        self, target: np.ndarray, source: np.ndarray, pe: int, signal: np.ndarray, value: int
    ) -> None:
        """Copy `source` to `target` on `pe` and then set the symmetric int64 `signal` there to `value`."""
        self.put(target, source, pe)
        self.fence()
        word = [np.array([value], np.int64), MPI.INT64_T]
        self.window.Accumulate(word, pe, [self._place(signal), 1, MPI.INT64_T], MPI.REPLACE)
        self.window.Flush(pe)

    def wait_until(self, flag: np.ndarray, compare: int, value: int) -> None:
        """Wait until this PE's `flag` is, or is at least, `value`."""
        if compiled.wait_until(self.calls, flag.ctypes.data, compare, value):
            raise TimeoutError("a flag was never raised")
        self.window.Sync()

    def fence(self) -> None:
        """Let earlier puts arrive before later ones."""
        self.window.Flush_all()

    def quiet(self) -> None:
        """Return when all earlier puts and gets have arrived."""
        self.window.Flush_all()

    def barrier_all(self) -> None:
        """Return when every PE is here and all puts have arrived."""
        self.window.Flush_all()
        self.window.Sync()
        self.comm.Barrier()
        self.window.Sync()

    def close(self) -> None:
        self.barrier_all()
        self.window.Unlock_all()
        self.window.Free()

    def _place(self, array: np.ndarray) -> int:
        return array.ctypes.data - self.memory.ctypes.data
