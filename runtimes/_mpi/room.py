"""Room for windows: a library keeps those that ranks share in a file system, and a container's is small."""

import contextlib
import os
import shutil
from typing import Any

import numpy as np
from mpi4py import MPI

from prk.problem import Unanimous

# What needs no room there.
INSTEAD = "use mpi1, or mpirma with --window create"


class Room:
    """What is free where windows of the kind of `window`, a small one, lie on this rank's node.

    Everything is collective on `comm`, whose ranks make their windows together.
    """

    def __init__(self, comm: MPI.Intracomm, window: MPI.Win, option: str, remedy: str):
        self.comm, self.option, self.remedy, self.taken = comm, option, remedy, 0
        self.node: Any = comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.folder = behind(window.tomemory())
        window.Free()
        self.free = shutil.disk_usage(self.folder).free if self.folder else 0

    def take(self, size: int) -> None:
        """Raise Refusal, on all ranks, if some node's have not `size` bytes each besides what they took."""
        self.taken += self.node.allreduce(size)
        lacking = ""
        if self.folder and self.taken > self.free:
            lacking = f"windows of {self.taken / 2**20:.0f} MiB do not fit: {self.said()}"
        worst = max(self.comm.allgather(lacking))
        if worst:
            raise Unanimous(self.option, worst, self.remedy)

    def said(self) -> str:
        """Return where windows lie, and what is free there."""
        return f"{self.folder} has {self.free / 2**20:.0f} MiB free" if self.folder else "private memory"

    def close(self) -> None:
        self.node.Free()


def behind(memory: Any) -> str:
    """Return the folder of the file that memory is mapped from; nothing if it is from none."""
    address = np.frombuffer(memory, np.uint8).ctypes.data
    with contextlib.suppress(OSError), open("/proc/self/maps") as lines:
        for line in lines:
            about = line.split(maxsplit=5)
            first, last = (int(bound, 16) for bound in about[0].split("-"))
            if first <= address < last:
                folder = os.path.dirname(about[5]) if len(about) > 5 else ""
                # What the kernel names itself, as "/dev/zero (deleted)", is no file.
                return "" if folder in ("/", "/dev") else folder
    return ""
