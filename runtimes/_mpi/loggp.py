"""The LogGP figures of this machine's MPI by distance: mpirun -n CORES python -m prk.runtimes._mpi.loggp.

Prints one line of JSON: of each distance that the ranks have (cores of a socket, sockets of a node, nodes),
latency, overhead, gap, bandwidth and a flag's latency; what leaves a node by all of its ranks together, where
there are two; and what interrupts a core. The best of several rounds each, but of interruptions all.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from numba import njit

from prk.run import environment

from .._compiled import first_error
from .._threads.team import DONE, publish, wait
from .calls import calls, recv, send, succeed
from .group import Group
from .pingpong import LARGE, LARGE_TRIPS, SMALL, SMALL_TRIPS, STREAM, best, bounce, stream

# Messages that any library takes without a receive, and how often they are sent.
EAGER, ROUNDS = 8, 200
# A message that no core's own cache holds, as what a kernel has just packed: in a cache it is copied thrice
# as fast. How often it is exchanged.
COLD, EXCHANGES = 1 << 22, 20
# A core that was away for so long was interrupted; seconds in which that is watched.
AWAY, WATCHED = 5e-6, 0.3


@njit(nogil=True, cache=True)
def sends(mpi, buffer, count):
    """Send the buffer `count` times to rank 1; return MPI's error code."""
    code = 0
    for _ in range(count):
        code = first_error(code, send(mpi, buffer.ctypes.data, buffer.size, 1))
    return code


@njit(nogil=True, cache=True)
def receives(mpi, buffer, count):
    """Receive `count` messages from rank 0; return MPI's error code."""
    code = 0
    for _ in range(count):
        code = first_error(code, recv(mpi, buffer.ctypes.data, buffer.size, 0))
    return code


@njit(nogil=True, cache=True)
def flags_bounce(team, rank, first, trips):
    """Raise a flag and wait for the other's, in turn; return an error code."""
    code = 0
    for k in range(first + 1, first + trips + 1):
        if rank == 0:
            publish(team, DONE, k)
            code = first_error(code, wait(team, DONE + 1, k))
        else:
            code = first_error(code, wait(team, DONE, k))
            publish(team, DONE + 1, k)
    return code


def overhead(pair: MPI.Comm) -> float:
    """Return the seconds that a small message takes its sender and its receiver, the mean of both."""
    mpi, buffer, took = calls(pair), np.zeros(SMALL), []
    for _ in range(ROUNDS):
        pair.Barrier()
        if pair.rank == 1:
            # All have arrived then.
            time.sleep(2e-4)
        start = time.perf_counter()
        succeed((receives if pair.rank else sends)(mpi, buffer, EAGER))
        took.append((time.perf_counter() - start) / EAGER)
    # The first one compiles.
    own = float(np.median(took[1:]))
    return float(sum(pair.allgather(own))) / 2


def flag(pair: MPI.Intracomm) -> float:
    """Return the seconds from a flag's store until another core of the node has seen it."""
    group = Group(pair, 2)
    team, took = group.flags(), []
    for number in range(8):
        pair.Barrier()
        start = time.perf_counter()
        if flags_bounce(team, pair.rank, number * SMALL_TRIPS, SMALL_TRIPS):
            raise RuntimeError("a flag was waited for in vain")
        took.append((time.perf_counter() - start) / (2 * SMALL_TRIPS))
    group.close()
    return min(took[1:])


def exchange(pair: MPI.Intracomm) -> float:
    """Return the seconds in which both ranks have sent each other a large message, at once as kernels do."""
    # Of pages that were written: those that were not are all one, which the cache holds.
    own, other, took = np.ones(COLD), np.ones(COLD), []
    for _ in range(EXCHANGES):
        pair.Barrier()
        start = time.perf_counter()
        pair.Sendrecv(own, 1 - pair.rank, recvbuf=other, source=1 - pair.rank)
        took.append(time.perf_counter() - start)
    return min(took[1:])


def between(pair: MPI.Intracomm, near: bool) -> dict[str, float]:
    """Return the figures of two ranks; `near`: they are on one node."""
    half = best(pair, bounce, SMALL, SMALL_TRIPS) / (2 * SMALL_TRIPS)
    # What is between both ends is at least a tenth.
    each = min(overhead(pair), 0.45 * half)
    found = {
        "latency": half - 2 * each,
        "overhead": each,
        "gap": best(pair, stream, SMALL, STREAM) / STREAM,
        "bandwidth": 8 * COLD / (exchange(pair) - half),
    }
    return found | ({"flag": flag(pair)} if near else {})


def together(pair: MPI.Intracomm, everyone: MPI.Intracomm, senders: int) -> dict[str, float]:
    """Return bytes a second, and seconds a message, of a node whose ranks all send to another's."""

    def slowest(talk: Callable[..., int], count: int, messages: int) -> float:
        return max(everyone.allgather(best(pair, talk, count, messages)))

    return {
        "bandwidth": 8 * LARGE * LARGE_TRIPS * senders / slowest(stream, LARGE, LARGE_TRIPS),
        "gap": slowest(stream, SMALL, STREAM) / (STREAM * senders),
    }


def interruptions() -> tuple[int, float, float]:
    """Return how often this core was away, for how long in all, and the seconds in which it was watched."""
    count, away = 0, 0.0
    start = last = time.perf_counter()
    while last - start < WATCHED:
        now = time.perf_counter()
        if now - last > AWAY:
            count += 1
            away += now - last
        last = now
    return count, away, last - start


def socket() -> int:
    """Return the number of this rank's socket, of the first cpu that it may use; 0 where nobody says."""
    cpu = min(os.sched_getaffinity(0))
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id").read_text())
    except (OSError, ValueError):
        return 0


def measure(comm: MPI.Intracomm) -> dict[str, Any]:
    """Return all figures; the same on all ranks."""
    where = comm.allgather((environment.node(), socket()))
    (node, own), apart = where[0], {}
    for other in range(comm.size - 1, 0, -1):
        host, package = where[other]
        apart["node" if host != node else "socket" if package != own else "core"] = other
    found: dict[str, Any] = {"distance": {}, "sockets": len({p for host, p in where if host == node})}
    for name, other in apart.items():
        pair: Any = comm.Split(0 if comm.rank in (0, other) else MPI.UNDEFINED, comm.rank)
        figures = None
        if pair != MPI.COMM_NULL:
            figures = between(pair, name != "node")
            pair.Free()
        found["distance"][name] = comm.bcast(figures)
    here = [rank for rank, (host, _) in enumerate(where) if host == node]
    there = [rank for rank, (host, _) in enumerate(where) if host != node][: len(here)]
    if there:
        found["injection"] = injected(comm, here[: len(there)], there)
    counts = comm.allgather(interruptions())
    count, away, watched = (sum(each) for each in zip(*counts, strict=True))
    found["noise"] = {"rate": count / watched, "duration": away / count if count else 0.0}
    return found


def injected(comm: MPI.Intracomm, here: list[int], there: list[int]) -> dict[str, float]:
    """Return what ranks `here` reach together that each send to one `there`."""
    everyone: Any = comm.Split(0 if comm.rank in (*here, *there) else MPI.UNDEFINED, comm.rank)
    figures = None
    if everyone != MPI.COMM_NULL:
        number = (here if comm.rank in here else there).index(comm.rank)
        pair = everyone.Split(number, comm.rank in there)
        figures = together(pair, everyone, len(here))
        pair.Free()
        everyone.Free()
    return comm.bcast(figures)  # type: ignore[no-any-return]


def main() -> int:
    comm = MPI.COMM_WORLD
    if comm.size < 2:
        print("loggp: there is one rank; start it as mpirun -n 2, or on all cores", file=sys.stderr)
        return 2
    found = measure(comm)
    if comm.rank == 0:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
