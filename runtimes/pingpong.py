"""Latency and bandwidth of messages between two MPI ranks: mpirun -n 2 python -m prk.runtimes.pingpong.

Called from inside compiled code, as the kernels do it. Prints one line of JSON: half a round trip of
8 bytes in seconds, and bytes a second of large messages, the best of several rounds each.
"""

import json
import sys
import time

import numpy as np
from mpi4py import MPI
from numba import njit

from .compiled_mpi import calls, recv, send, succeed

ROUNDS = 7
SMALL, SMALL_TRIPS = 1, 20_000
LARGE, LARGE_TRIPS = 1 << 19, 40


@njit(nogil=True, cache=True)
def bounce(mpi, buffer, rank, trips):
    """Send the buffer there and back `trips` times; return MPI's error code."""
    code = 0
    for _ in range(trips):
        if rank == 0:
            code |= send(mpi, buffer.ctypes.data, buffer.size, 1)
            code |= recv(mpi, buffer.ctypes.data, buffer.size, 1)
        else:
            code |= recv(mpi, buffer.ctypes.data, buffer.size, 0)
            code |= send(mpi, buffer.ctypes.data, buffer.size, 0)
    return code


def one_way(comm: MPI.Comm, count: int, trips: int) -> float:
    """Return the seconds of one message of `count` doubles, the best round; the first is a warm-up."""
    mpi, buffer, best = calls(comm), np.zeros(count), float("inf")
    for number in range(ROUNDS + 1):
        comm.Barrier()
        start = time.perf_counter()
        succeed(bounce(mpi, buffer, comm.rank, trips))
        seconds = (time.perf_counter() - start) / trips / 2
        best = min(best, seconds) if number else best
    return best


def main() -> int:
    comm = MPI.COMM_WORLD
    if comm.size != 2:
        print(f"pingpong: there are {comm.size} ranks; start it as mpirun -n 2", file=sys.stderr)
        return 2
    latency = one_way(comm, SMALL, SMALL_TRIPS)
    bandwidth = 8 * LARGE / one_way(comm, LARGE, LARGE_TRIPS)
    if comm.rank == 0:
        print(json.dumps({"latency": latency, "bandwidth": bandwidth}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
