"""What kernels compute alone: mpirun -n RANKS python -m prk.runtimes._mpi.alone RUNTIME [KERNEL=SIZE,...]...

Every rank runs each kernel on a team of itself, all at the same time, so that they share the memory and send
nothing. Prints one line of JSON: of each kernel, the work of a repetition in bytes (flop, where there are
none) and its seconds on the slowest rank, the median of several rounds, over sizes.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mpi4py import MPI

from prk.problem import Problem, sizes
from prk.run import compile_cache, registry

# Of the usual size; about how many seconds a round takes, and repetitions at most.
FACTORS = (0.25, 1, 2, 4)
ROUNDS, SECONDS, MOST = 5, 0.05, 60


def problems(kind: type[Problem], given: Sequence[int]) -> Iterator[Problem]:
    """Yield problems of one member over sizes: those given of the leading one, else parts of the usual."""
    usual: dict[str, Any] = {name: kind.__dataclass_fields__[name].default for name in sizes(kind)}
    leading = next(iter(usual))
    for size in given or [max(1, int(usual[leading] * factor)) for factor in FACTORS]:
        own = {name: size for name, value in usual.items() if value == usual[leading]}
        yield kind(**own, iterations=(ROUNDS + 1) * MOST)


def computed(how: str, kernel: str, problem: Problem, everyone: MPI.Intracomm) -> float:
    """Return the seconds of a repetition on the slowest rank, each on its own."""
    options = {o.name: o.default for o in registry.runtime(how).cell(kernel).options}
    laps = problem.own_laps
    own: Any = registry.kernel_class(how, kernel)(problem, MPI.COMM_SELF, options)
    own.repeat(1)
    start = time.perf_counter()
    own.repeat(1)
    count = max(1, min(MOST, int(SECONDS / max(everyone.allgather(time.perf_counter() - start)))))
    took = []
    for _ in range(ROUNDS):
        everyone.Barrier()
        start = time.perf_counter()
        own.repeat(count)
        spent = time.perf_counter() - start
        # What a kernel does between its repetitions is no part of them.
        spent = sum(own.laps[-count:]) if laps else spent
        took.append(max(everyone.allgather(spent)) / count)
    own.close()
    return statistics.median(took)


def work(problem: Problem) -> float:
    """Return the bytes of a repetition on one member, or its flop where no bytes are stated."""
    cost = problem.mean_cost(1)
    return cost.bytes or cost.flop


def measure(
    how: str, wanted: Mapping[str, Sequence[int]], comm: MPI.Intracomm
) -> dict[str, list[tuple[float, float]]]:
    """Return work and seconds of the chosen kernels, or of all that have a schedule and can run here."""
    known = [k for k in registry.kernels() if registry.runtime(how).cell(k).schedule]
    kernels = wanted or {k: () for k in known if registry.missing(how, k) is None}
    found = {}
    for kernel, given in kernels.items():
        made = [p for p in problems(registry.problem_class(kernel), given) if work(p) > 0]
        if made:
            found[kernel] = [(work(p), computed(how, kernel, p, comm)) for p in made]
    return found


def chosen(words: Sequence[str]) -> dict[str, list[int]]:
    """Return the sizes of each kernel that words name, as stencil=1000,2000; none means the usual ones."""
    pairs = (word.partition("=") for word in words)
    return {kernel: [int(n) for n in given.split(",") if n] for kernel, _, given in pairs}


def main(argv: Sequence[str]) -> int:
    comm = MPI.COMM_WORLD
    compile_cache.install()
    found = measure(argv[0], chosen(argv[1:]), comm)
    if comm.rank == 0:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
