"""Latency, rate and bandwidth of MPI messages: mpirun -n 2 python -m prk.runtimes._mpi.pingpong.

Called from inside compiled code, as the kernels do it. Prints one line of JSON, the best of several rounds
each: half a round trip of 8 bytes in seconds, a message of 8 bytes in a stream of them in seconds, and bytes
a second of large messages.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np
from mpi4py import MPI
from numba import njit

from .._compiled import first_error
from .calls import calls, recv, send, succeed

ROUNDS = 7
SMALL, SMALL_TRIPS = 1, 20_000
STREAM = 2000
LARGE, LARGE_TRIPS = 1 << 19, 40


@njit(nogil=True, cache=True)
def bounce(mpi, buffer, rank, trips):
    """Send the buffer there and back `trips` times; return MPI's error code."""
    code = 0
    for _ in range(trips):
        if rank == 0:
            code = first_error(code, send(mpi, buffer.ctypes.data, buffer.size, 1))
            code = first_error(code, recv(mpi, buffer.ctypes.data, buffer.size, 1))
        else:
            code = first_error(code, recv(mpi, buffer.ctypes.data, buffer.size, 0))
            code = first_error(code, send(mpi, buffer.ctypes.data, buffer.size, 0))
    return code


@njit(nogil=True, cache=True)
def stream(mpi, buffer, rank, count):
    """Send the buffer `count` times one way, and once back when all have come; return MPI's error code."""
    code, where = 0, buffer.ctypes.data
    for _ in range(count):
        if rank == 0:
            code = first_error(code, send(mpi, where, buffer.size, 1))
        else:
            code = first_error(code, recv(mpi, where, buffer.size, 0))
    if rank == 0:
        return first_error(code, recv(mpi, where, buffer.size, 1))
    return first_error(code, send(mpi, where, buffer.size, 0))


def best(comm: MPI.Comm, talk: Callable[..., int], count: int, messages: int) -> float:
    """Return the seconds of a round of messages of `count` doubles, the best; the first one is a warm-up."""
    mpi, buffer, seconds = calls(comm), np.zeros(count), []
    for _ in range(ROUNDS + 1):
        comm.Barrier()
        start = time.perf_counter()
        succeed(talk(mpi, buffer, comm.rank, messages))
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def main() -> int:
    comm = MPI.COMM_WORLD
    if comm.size != 2:
        print(f"pingpong: there are {comm.size} ranks; start it as mpirun -n 2", file=sys.stderr)
        return 2
    found = {
        "latency": best(comm, bounce, SMALL, SMALL_TRIPS) / (2 * SMALL_TRIPS),
        "stream": best(comm, stream, SMALL, STREAM) / STREAM,
        "bandwidth": 8 * LARGE * 2 * LARGE_TRIPS / best(comm, bounce, LARGE, LARGE_TRIPS),
    }
    if comm.rank == 0:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
