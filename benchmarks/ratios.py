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
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
            "pic": (25, 50),
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
    "pic": "--particles 1000000",
}


class Case(NamedTuple):
    """A kernel on a runtime, with options as they stand on the command line."""

    runtime: str
    kernel: str
    options: str = ""

    @staticmethod
    def of(text: str) -> "Case":
        """Return the case that a text states."""
        runtime, kernel, *options = text.split()
        return Case(runtime, kernel, " ".join(options))


# The shares of a repetition by what it goes into.
Split = Mapping[str, float]


def command(case: Case, workers: int, n: int) -> list[str]:
    """Return the command of one launch on `workers` ranks, threads, PEs or processes."""
    name, kernel, options = case
    how = registry.runtime(name)
    before = launcher.words({"ranks": workers}, unbound=how.unbound) if how.launched else []
    count = [f"--{how.count_option}", str(workers)] if how.count_option and not how.launched else []
    words = WORDS[kernel].format(n=n).split()
    chosen = ["--runtime", name, "--quiet", *count, *options.split()]
    return [*before, sys.executable, "-m", f"prk.{kernel}", *words, *chosen]


def alone(name: str) -> bool:
    """Tell whether a runtime has one worker only."""
    how = registry.runtime(name)
    return not how.launched and not how.count_option


def measured(case: Case, workers: int, n: int, arguments: Iterable[str] = ()) -> tuple[float, Split] | None:
    """Run once; return the rate in millions a second, and where the time went; None if the run failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        words = [*command(case, workers, n), *arguments, "--json", str(path)]
        environment = {**os.environ, **launcher.environment(False)}
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            print(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}", file=sys.stderr)
            return None
        record = read.read(path)
        stated = record["metrics"]["rate"]
        went = {**parts(record.get("split")), **balancing(record)}
        return statistics.median(stated["values"]) * stated["scale"] / 1e6, went


def parts(split: Mapping[str, Any] | None) -> Split:
    """Return the shares of a repetition by what it goes into, of the rank that computes least."""
    if not split:
        return {}
    means = [{kind: spread["mean"] for kind, spread in rank.items()} for rank in split["ranks"]]
    least = min(means, key=lambda rank: rank["computing"] / sum(rank.values()))
    return {kind: seconds / sum(least.values()) for kind, seconds in least.items()}


def balancing(record: Mapping[str, Any]) -> Split:
    """Return the share of the time that went into balancing, of the rank that waited least in it."""
    periods = [period for sample in record.get("balance", ()) for period in sample["periods"]]
    lost = sum(period["balancing"]["min"] for period in periods)
    seconds = sum(sample["max"] for sample in record["samples"]) * record["parameters"].get("iterations", 1)
    return {"balancing": lost / seconds} if lost else {}


def ratios(
    cases: Sequence[Case], workers: int, n: int, repeats: int, extra: Sequence[str]
) -> dict[Case, list[tuple[float, float, Split]]]:
    """Return (ratio to Nstream, rate, shares) of each repeat; Nstream as it runs on the same runtime.

    What runs after one case runs before the next one.
    """
    nstream = Case(cases[0].runtime, "nstream")
    length = n * n // 2 // workers * workers
    found: dict[Case, list[tuple[float, float, Split]]] = {case: [] for case in cases}
    for _ in range(repeats):
        before = measured(nstream, workers, length)
        for case in cases:
            one = measured(case, workers, n, extra)
            after = measured(nstream, workers, length)
            if before and one and after:
                found[case].append((one[0] / statistics.mean((before[0], after[0])), *one))
            before = after
    return found


def shown(case: Case, workers: int, found: Sequence[tuple[float, float, Split]]) -> str:
    """Return the line of a case."""
    name = f"{case.runtime:<12}{case.kernel:<14}{workers:>7}"
    if not found:
        return f"{name}  failed"
    ratio, rates = [r for r, _, _ in found], statistics.median(rate for _, rate, _ in found)
    middle = statistics.median(ratio)
    c = REFERENCE.get(case.kernel, ())[workers - 1 : workers]
    beside = f"{c[0]:>10.3g}{middle / c[0]:>9.2f}" if c else 19 * " "
    numbers = "".join(f"{r:>10.3g}" for r in (middle, min(ratio), max(ratio)))
    went = ", ".join(f"{kind} {share:.1%}" for kind, share in found[-1][2].items())
    return f"{name}{numbers}{beside}{rates:>12.4g}  {'; '.join(filter(None, (case.options, went)))}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], fromfile_prefix_chars="@", allow_abbrev=False
    )
    parser.add_argument(
        "--case",
        action="append",
        type=Case.of,
        metavar="'RUNTIME KERNEL OPTIONS'",
        help="instead of --runtime and --kernel, and as often as is wanted; @FILE has an argument a line",
    )
    parser.add_argument("--runtime", default="mpi1", help="comma-separated, or all (default: mpi1)")
    parser.add_argument("--kernel", default=",".join(k for k in WORDS if k != "nstream"))
    parser.add_argument("--workers", default="1,2", help="ranks, threads, PEs or processes (default: 1,2)")
    parser.add_argument("--n", type=int, default=8000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--split", action="store_true", help="say where the time goes, where that can be")
    arguments, extra = parser.parse_known_args()
    everything = [how.name for how in registry.usable()]
    names = everything if arguments.runtime == "all" else arguments.runtime.split(",")
    every = arguments.case or [Case(n, k) for n in names for k in arguments.kernel.split(",")]
    print("runtime     kernel        workers     ratio       min       max    C, MPI  times C        rate")
    for name in dict.fromkeys(case.runtime for case in every):
        how = registry.runtime(name)
        cases = [case for case in every if case.runtime == name and registry.has(name, case.kernel)]
        if not cases or how.missing():
            continue
        split = ["--split"] if arguments.split and not how.unclocked else []
        for workers in map(int, arguments.workers.split(",")):
            if workers > len(os.sched_getaffinity(0)) or (workers > 1 and alone(name)):
                continue
            found = ratios(cases, workers, arguments.n, arguments.repeats, [*extra, *split])
            for case in cases:
                print(shown(case, workers, found[case]), flush=True)


if __name__ == "__main__":
    main()
