"""A real OpenSHMEM through shmem4py: the same names as OneSided, and the team's start and end."""

import ctypes
import os
import pickle
import sys
import traceback
from typing import Any

import numpy as np

from prk.job import Job, Outcome

from .._compiled import address
from . import compiled
from .heap import HEAP

# What the library itself, the team's messages and the rounding of allocations take besides.
SLACK = 64 << 20


def launch(job: Job, heap: int) -> Outcome:
    """Run the job on all PEs, with `heap` bytes of symmetric memory for the kernel."""
    # Open MPI's memory hooks are called after they were unloaded when it finalises, and end in a crash.
    os.environ.setdefault("OMPI_MCA_opal_common_ucx_opal_mem_hooks", "0")
    # Open MPI 4 reads the older name of the standard's variable, and whole bytes only.
    os.environ["SHMEM_SYMMETRIC_HEAP_SIZE"] = str(heap + SLACK)
    os.environ.setdefault(HEAP, str(heap + SLACK))
    import shmem4py

    shmem4py.rc.initialize = False
    shmem4py.rc.finalize = False
    from shmem4py import shmem

    shmem.init()
    try:
        outcome = job.run(Team(shmem))
    except BaseException:
        # A PE that only raised would leave the others waiting for ever.
        traceback.print_exc()
        sys.stderr.flush()
        sys.stdout.flush()
        shmem.global_exit(1)
        raise
    shmem.barrier_all()
    shmem.finalize()
    return outcome


class Team:
    """All PEs, with the names of an mpi4py communicator; `shmem` is what kernels put with."""

    def __init__(self, shmem: Any):
        self.shmem = Symmetric(shmem)
        self.rank, self.size = self.shmem.my_pe(), self.shmem.n_pes()

    def barrier(self) -> None:
        self.shmem.barrier_all()

    def gather(self, sendobj: Any) -> list[Any] | None:
        """Return every PE's object on the first PE."""
        data = np.frombuffer(pickle.dumps(sendobj), np.uint8)
        lengths = self.shmem.zeros(self.size, np.int64)
        self.shmem.put(lengths[self.rank : self.rank + 1], np.array([data.size]), 0)
        self.shmem.barrier_all()
        known = np.zeros(self.size, np.int64)
        self.shmem.get(known, lengths, 0)
        room = self.shmem.zeros((self.size, int(known.max())), np.uint8)
        self.shmem.put(room[self.rank, : data.size], data, 0)
        self.shmem.barrier_all()
        found = [
            pickle.loads(row[:n].tobytes()) for row, n in zip(room, known, strict=True) if self.rank == 0
        ]
        self.shmem.free(room)
        self.shmem.free(lengths)
        return found or None

    def bcast(self, obj: Any) -> Any:
        """Return the first PE's object on every PE."""
        data = np.frombuffer(pickle.dumps(obj), np.uint8)
        length, known = self.shmem.zeros(1, np.int64), np.zeros(1, np.int64)
        length[0] = data.size
        self.shmem.barrier_all()
        self.shmem.get(known, length, 0)
        room, here = self.shmem.zeros(int(known[0]), np.uint8), np.zeros(int(known[0]), np.uint8)
        if self.rank == 0:
            room[:] = data
        self.shmem.barrier_all()
        self.shmem.get(here, room, 0)
        self.shmem.barrier_all()
        self.shmem.free(room)
        self.shmem.free(length)
        return pickle.loads(here.tobytes())


class Symmetric:
    """shmem4py as the kernels use it, and its functions for compiled code."""

    def __init__(self, shmem: Any):
        from shmem4py import api

        self.shmem = shmem
        self.arrays: list[np.ndarray] = []
        library = ctypes.CDLL(api.__file__)
        nothing = np.int64(0)
        self.calls = compiled.Calls(
            over_mpi=0,
            put=address(library, "shmem_putmem"),
            get=address(library, "shmem_getmem"),
            order=address(library, "shmem_fence"),
            set=address(library, "shmem_long_atomic_set"),
            add=address(library, "shmem_long_atomic_fetch_add"),
            lock=address(library, "shmem_set_lock"),
            unlock=address(library, "shmem_clear_lock"),
            # Open MPI's shmem_long_test looks, but does not drive a network that needs driving.
            progress=address(
                library, "opal_progress" if hasattr(library, "opal_progress") else "shmem_long_test"
            ),
            sched_yield=address(ctypes.CDLL(None), "sched_yield"),
            base=0,
            window=nothing,
            double=nothing,
            word=nothing,
            replace=nothing,
            sum=nothing,
            equal=np.int32(shmem.CMP.EQ),
            comm=nothing,
            any_source=0,
            any_tag=0,
            scratch=0,
        )

    def __getattr__(self, name: str) -> Any:
        """Return shmem4py's own function: put, get, atomic_inc, fence, quiet, barrier_all, ..."""
        return getattr(self.shmem, name)

    def zeros(self, shape: Any, dtype: Any = float) -> np.ndarray:
        """Return a symmetric array of zeros. Collective; MemoryError if the heap is full."""
        self.arrays.append(self.shmem.zeros(shape, dtype))
        # It clears its own part only: another PE's put must not come before that.
        self.shmem.barrier_all()
        return self.arrays[-1]

    def free(self, array: np.ndarray) -> None:
        """Give a symmetric array back. Collective."""
        self.arrays = [a for a in self.arrays if a is not array]
        self.shmem.free(array)

    def put_signal(
        self, target: np.ndarray, source: np.ndarray, pe: int, signal: np.ndarray, value: int
    ) -> None:
        """Copy `source` to `target` on `pe` and then set the symmetric int64 `signal` there to `value`."""
        self.shmem.put(target, source, pe)
        self.shmem.fence()
        self.shmem.atomic_set(signal, value, pe)

    def wait_until(self, flag: np.ndarray, compare: int, value: int) -> None:
        """Wait until this PE's `flag` is, or is at least, `value`."""
        if compiled.wait_until(self.calls, flag.ctypes.data, compare, value):
            raise TimeoutError("a flag was never raised")

    def close(self) -> None:
        """Free what is still allocated. Collective."""
        self.shmem.barrier_all()
        for array in reversed(self.arrays):
            self.shmem.free(array)
        self.arrays = []
