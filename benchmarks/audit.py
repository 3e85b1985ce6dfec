"""What an audit costs: python benchmarks/audit.py.

Whole launches of each kernel at its usual size, with --audit and without, by turns. Prints seconds and the
largest process's memory, and their ratios, as medians of turns. Nothing else may run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from prk.run import launcher, registry


def words(runtime: str, kernel: str, ranks: int, audit: bool) -> list[str]:
    """Return the command of a launch."""
    layout = {"ranks": ranks, "nodes": 1, "ranks_per_node": ranks, "threads": 1}
    start = launcher.words(layout, unbound=registry.runtime(runtime).unbound)
    own = [sys.executable, "-m", registry.package_of(kernel), "--runtime", runtime, "--quiet"]
    return [*start, *own, *(["--audit"] if audit else [])]


def launch(command: list[str]) -> tuple[float, float]:
    """Return seconds and megabytes of the largest process of a launch."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **launcher.environment(False)}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - begin, used.ru_maxrss / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runtime", default=registry.BASELINE)
    parser.add_argument("--kernel", action="append", help="default: all that the runtime has")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    print(f"{'kernel':<14}{'s':>8}{'audited':>9}{'ratio':>7}{'MB':>8}{'audited':>9}{'ratio':>7}")
    for kernel in given.kernel or registry.kernels():
        if not registry.has(given.runtime, kernel) or registry.missing(given.runtime, kernel):
            continue
        commands = [words(given.runtime, kernel, given.ranks, audit) for audit in (False, True)]
        turns = [[launch(command) for command in commands] for _ in range(given.turns)]
        plain, audited = ([statistics.median(turn[i][j] for turn in turns) for j in (0, 1)] for i in (0, 1))
        figures = (
            f"{a:>{w}.{d}f}{b:>9.{d}f}{b / a:>7.2f}"
            for a, b, w, d in zip(plain, audited, (8, 8), (2, 0), strict=True)
        )
        print(f"{kernel:<14}{''.join(figures)}", flush=True)


if __name__ == "__main__":
    main()
