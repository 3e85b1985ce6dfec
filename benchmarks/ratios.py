"""Print each kernel's rate as a ratio to Nstream's, in one run: `make bench`.

Nstream runs before and after every kernel on the same number of workers, so that a machine whose speed
drifts still gives a ratio. Nothing else may run meanwhile; more workers than cores mean nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from prk import runtime

# The C reference's ratios (gcc -O3 -march=native) on 1 and 2 ranks, MPI two-sided.
REFERENCE = {"stencil": (0.50, 0.48), "synch_p2p": (0.095, 0.086), "transpose": (0.18, 0.094)}


def command(name, kernel, workers, arguments):
    """Return the command of one launch on `workers` ranks, threads, PEs or processes."""
    how = runtime.runtime(name)
    before = how.launcher.format(ranks=workers, threads=1).split()
    count = [f"--{how.count_option}", str(workers)] if how.count_option and not how.launcher else []
    return [*before, sys.executable, "-m", f"prk.{kernel}", "--runtime", name, "--quiet", *count, *arguments]


def rate(name, kernel, workers, arguments):
    """Run once; return the rate in millions a second, or None if the run failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        words = [*command(name, kernel, workers, arguments), "--json", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            print(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}", file=sys.stderr)
            return None
        return json.loads(path.read_text())["rate"]["median"]


def ratios(name, kernel, workers, n, repeats, extra):
    """Return (ratio to Nstream, rate) of each repeat; Nstream as it runs on the same runtime."""
    size = {"synch_p2p": ["--m", n, "--n", n], "transpose": ["--order", n]}.get(kernel, ["--n", n])
    yardstick = ["--n", n * n // 2 // workers * workers]
    found = []
    for _ in range(repeats):
        around = [rate(name, "nstream", workers, map(str, yardstick))]
        measured = rate(name, kernel, workers, [*map(str, size), *extra])
        around.append(rate(name, "nstream", workers, map(str, yardstick)))
        if measured and all(around):
            found.append((measured / statistics.mean(around), measured))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default="mpi1", help="comma-separated, or all (default: mpi1)")
    parser.add_argument("--kernel", default="stencil,synch_p2p,transpose")
    parser.add_argument("--workers", default="1,2", help="ranks, threads, PEs or processes (default: 1,2)")
    parser.add_argument("--n", type=int, default=8000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments, extra = parser.parse_known_args()
    names = list(runtime.runtimes()) if arguments.runtime == "all" else arguments.runtime.split(",")
    print("runtime     kernel     workers   ratio     min     max  C, MPI        rate")
    for name in (n for n in names if runtime.runtime(n).missing() is None):
        for workers in map(int, arguments.workers.split(",")):
            if workers > len(os.sched_getaffinity(0)) or (name == "serial" and workers > 1):
                continue
            for kernel in arguments.kernel.split(","):
                found = ratios(name, kernel, workers, arguments.n, arguments.repeats, extra)
                if not found:
                    print(f"{name:<12}{kernel:<11}{workers:>7}  failed")
                    continue
                ratio = [r for r, _ in found]
                rates = statistics.median(r for _, r in found)
                c = REFERENCE.get(kernel, ())[workers - 1 : workers]
                print(
                    f"{name:<12}{kernel:<11}{workers:>7}{statistics.median(ratio):>8.3f}{min(ratio):>8.3f}"
                    f"{max(ratio):>8.3f}{c[0] if c else '':>8}{rates:>12.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
