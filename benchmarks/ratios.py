"""Print each kernel's rate as a ratio to Nstream's, in one run: `make bench`.

Nstream runs before and after every kernel on the same number of workers, so that a machine whose speed
drifts still gives a ratio. Nothing else may run meanwhile; more workers than cores mean nothing.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from prk.records import read
from prk.run import launcher, registry

# The C reference's rates in millions a second over its Nstream's in MB/s (gcc -O3 -march=native), on 1 and 2
# ranks, MPI two-sided, of the problems below.
NSTREAM = 20_100, 39_900
REFERENCE: dict[str, Sequence[float]] = {
    "stencil": (0.50, 0.48),
    "synch_p2p": (0.095, 0.086),
    "transpose": (0.18, 0.094),
    **{
        kernel: tuple(rate / nstream for rate, nstream in zip(rates, NSTREAM, strict=True))
        for kernel, rates in {
            "reduce": (943, 423),
            "sparse": (396, 693),
            "dgemm": (9_800, 18_800),
            "random": (37, 100),
            "synch_global": (0.286, 0.224),
            "branch": (63_000, 130_000),
        }.items()
    },
}
# The words that state a problem, as the C programs take them; n is the side of the grid or the matrix.
WORDS = {
    "stencil": "10 {n}",
    "synch_p2p": "10 {n} {n}",
    "transpose": "10 {n}",
    "nstream": "10 {n}",
    "reduce": "10 20000000",
    "sparse": "10 11 4",
    "dgemm": "5 1500",
    "random": "4 26 --iterations 1",
    "synch_global": "100000 10000",
    "branch": "1000 100000 vector_go",
    "refcount": "1000000",
    "amr": "10 {n} 1000 2 2 1 5",
}


def command(name: str, kernel: str, workers: int, n: int, arguments: Iterable[str]) -> list[str]:
    """Return the command of one launch on `workers` ranks, threads, PEs or processes."""
    how = registry.runtime(name)
    before = launcher.words({"ranks": workers}, unbound=how.unbound) if how.launched else []
    count = [f"--{how.count_option}", str(workers)] if how.count_option and not how.launched else []
    words = WORDS[kernel].format(n=n).split()
    chosen = ["--runtime", name, "--quiet", *count]
    return [*before, sys.executable, "-m", f"prk.{kernel}", *words, *chosen, *arguments]


def alone(name: str) -> bool:
    """Tell whether a runtime has one worker only."""
    how = registry.runtime(name)
    return not how.launched and not how.count_option


def rate(name: str, kernel: str, workers: int, n: int, arguments: Iterable[str] = ()) -> float | None:
    """Run once; return the rate in millions a second, or None if the run failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        words = [*command(name, kernel, workers, n, arguments), "--json", str(path)]
        environment = {**os.environ, **launcher.environment(False)}
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            print(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}", file=sys.stderr)
            return None
        stated = read.read(path)["metrics"]["rate"]
        return statistics.median(stated["values"]) * stated["scale"] / 1e6


def ratios(
    name: str, kernel: str, workers: int, n: int, repeats: int, extra: Sequence[str]
) -> list[tuple[float, float]]:
    """Return (ratio to Nstream, rate) of each repeat; Nstream as it runs on the same runtime."""
    length = n * n // 2 // workers * workers
    found = []
    for _ in range(repeats):
        before = rate(name, "nstream", workers, length)
        measured = rate(name, kernel, workers, n, extra)
        after = rate(name, "nstream", workers, length)
        if before and measured and after:
            found.append((measured / statistics.mean((before, after)), measured))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runtime", default="mpi1", help="comma-separated, or all (default: mpi1)")
    parser.add_argument("--kernel", default=",".join(k for k in WORDS if k != "nstream"))
    parser.add_argument("--workers", default="1,2", help="ranks, threads, PEs or processes (default: 1,2)")
    parser.add_argument("--n", type=int, default=8000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments, extra = parser.parse_known_args()
    everything = [how.name for how in registry.usable()]
    names = everything if arguments.runtime == "all" else arguments.runtime.split(",")
    print("runtime     kernel        workers     ratio       min       max    C, MPI  times C        rate")
    for name in (n for n in names if registry.runtime(n).missing() is None):
        for workers in map(int, arguments.workers.split(",")):
            if workers > len(os.sched_getaffinity(0)) or (workers > 1 and alone(name)):
                continue
            for kernel in (k for k in arguments.kernel.split(",") if registry.has(name, k)):
                found = ratios(name, kernel, workers, arguments.n, arguments.repeats, extra)
                if not found:
                    print(f"{name:<12}{kernel:<14}{workers:>7}  failed")
                    continue
                ratio = [r for r, _ in found]
                middle, rates = statistics.median(ratio), statistics.median(r for _, r in found)
                c = REFERENCE.get(kernel, ())[workers - 1 : workers]
                beside = f"{c[0]:>10.3g}{middle / c[0]:>9.2f}" if c else 19 * " "
                numbers = "".join(f"{r:>10.3g}" for r in (middle, min(ratio), max(ratio)))
                print(f"{name:<12}{kernel:<14}{workers:>7}{numbers}{beside}{rates:>12.4g}", flush=True)


if __name__ == "__main__":
    main()
