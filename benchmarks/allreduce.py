"""Compare the library's allreduce through this package with a bare loop over mpi4py's, in one run.

`mpirun -n 2 python benchmarks/allreduce.py`: both loops run in the same processes by turns, so that a machine
whose speed drifts still gives a ratio, and over the same two arrays: where these lie, in a mapping of their
own or in the heap, and at which place in a page, costs a library up to a quarter at 16 MB. Neither waits for
the other ranks between two calls. The time of a turn is the slowest rank's. Nothing else may run meanwhile;
more ranks than cores mean nothing.
"""

import argparse
import time
from typing import Any

import numpy as np
from mpi4py import MPI

from prk.allreduce.problem import Allreduce
from prk.run import registry

comm = MPI.COMM_WORLD


def bare(source: np.ndarray, result: np.ndarray, calls: int) -> float:
    """Return the seconds of a call: nothing but the calls between two looks at the clock."""
    begin = time.perf_counter()
    for _ in range(calls):
        comm.Allreduce(source, result)
    return (time.perf_counter() - begin) / calls


def package(kernel: Any, repetitions: int) -> float:
    """Return the seconds of a call as the kernel states them."""
    kernel.repeat(repetitions)
    return sum(kernel.laps[-repetitions:]) / repetitions


def compare(size: int, algorithm: str, turns: int, repetitions: int) -> np.ndarray:
    """Return (package, bare) in seconds of each turn, slowest rank."""
    problem = Allreduce(min_bytes=size, max_bytes=size, iterations=(turns + 1) * repetitions - 1)
    # It knows more than every kernel has: its buffers, and how often it sends.
    kernel: Any = registry.kernel_class("mpi1", "allreduce")(problem, comm, {"algorithm": algorithm})
    found = np.zeros((turns + 1, 2))
    for turn in range(turns + 1):
        # Who goes first changes from turn to turn.
        for which in (0, 1) if turn % 2 else (1, 0):
            comm.Barrier()
            if which == 0:
                found[turn, 0] = package(kernel, repetitions)
            else:
                found[turn, 1] = bare(kernel.source, kernel.output, repetitions * problem.burst)
    wrong = problem.check(problem.partial(kernel.fields()))[0].error
    kernel.close()
    assert not wrong, f"{wrong} wrong elements"
    comm.Allreduce(MPI.IN_PLACE, found, MPI.MAX)
    # The first turn touches the pages.
    return found[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--algorithm", default="library", help="of the package's side (default: library)")
    parser.add_argument("--turns", type=int, default=20, help="of both loops (default: 20)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4**k for k in range(1, 14)])
    arguments = parser.parse_args()
    if comm.rank == 0:
        print(
            f"{comm.size} ranks, {arguments.algorithm}; {arguments.turns} turns, median ratio and quartiles"
        )
        print("  size (B)  package (us)  bare (us)   ratio  quartiles")
    for size in arguments.sizes:
        repetitions = max(3, min(20, (1 << 24) // size))
        found = compare(size, arguments.algorithm, arguments.turns, repetitions)
        low, middle, high = np.percentile(found[:, 0] / found[:, 1], (25, 50, 75))
        ours, theirs = np.median(found, axis=0) * 1e6
        if comm.rank == 0:
            print(f"{size:>10}{ours:>14.2f}{theirs:>11.2f}{middle:>8.3f}{low:>7.3f}-{high:.3f}", flush=True)


if __name__ == "__main__":
    main()
