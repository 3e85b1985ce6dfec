"""State what serving adds to computing, and what more ranks give: python benchmarks/inference.py.

Each figure is a ratio: to what is asked for, of two launches by turns, or of two runs inside one launch, so
that a machine whose speed drifts still gives one. The overhead is that of digits, a batch of which takes so
little that the rest shows. --heavy names a check-point (python -m prk.ddp --workload fashion-mnist --save
FILE) whose throughput is compared on one and on two ranks that compute, and between server and offline.
Nothing else may run meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from prk.run import launcher

# Microseconds that a query may take besides computing, by the ranks.
OVERHEAD = {1: 20.0, 2: 60.0}
SCALED, SERVED = 1.8, 0.7


def launched(ranks: int, *words: str) -> Any:
    """Return the record of a launch on so many ranks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        start = launcher.words({"ranks": ranks}) if ranks > 1 else []
        shared = launcher.environment(ranks > len(os.sched_getaffinity(0)))
        command = [*start, sys.executable, "-m", "prk.inference", *words, "--json", str(path)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **shared}
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return json.loads(path.read_text())


def overhead(turns: int) -> None:
    """State what a query takes besides computing, alone and with a rank that computes."""
    for ranks, most in OVERHEAD.items():
        name = "time of a query besides computing (us)"
        words = ("--scenario", "single-stream", "--queries", "5000")
        found = median(launched(ranks, *words)["summary"][name] for _ in range(turns))
        where = "serial" if ranks == 1 else f"mpi1 on {ranks} ranks"
        print(f"overhead a query, {where}: {found:.1f} us, {found / most:.2f} of the {most:g} us", flush=True)


def scaled(turns: int, model: tuple[str, ...]) -> None:
    """State how many times the samples a second of one rank that computes two give."""
    found = []
    words = (*model, "--scenario", "offline", "--duration", "5", "--queries", "5000")
    for _ in range(turns):
        one, two = (launched(ranks, *words)["metrics"]["rate"]["values"][0] for ranks in (2, 3))
        found.append(two / one)
        print(f"offline, {two:.0f} samples/s on two ranks that compute, {one:.0f} on one", flush=True)
    print(f"offline, two over one: {median(found):.2f}; asked for: {SCALED}", flush=True)


def served(turns: int, model: tuple[str, ...]) -> None:
    """State the share of the offline throughput that a server reaches at 15 ms, by runs of one launch."""
    words = ("--scenario", "server", "--bound", "15", "--duration", "2", "--queries", "2000")
    for ranks in (1, 2):
        rows = launched(ranks, *model, *words, "--iterations", str(turns))["table"]
        share = min(row["offline"] for row in rows)
        said = f"{min(row['level'] for row in rows):.0f} queries/s, the least of {len(rows)} runs"
        said += f", p99 {max(row['p99'] for row in rows):.1f} ms, mean batch {rows[0]['batch']:.1f}"
        print(f"server over offline, ranks {ranks}: {share:.2f}; asked for: {SERVED}; {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="launches, or runs, of each (default: 3)")
    parser.add_argument("--heavy", metavar="FILE", help="a check-point of --workload")
    parser.add_argument("--workload", default="fashion-mnist", help="whose it is (default: fashion-mnist)")
    given = parser.parse_args()
    overhead(given.turns)
    if given.heavy:
        model = ("--workload", given.workload, "--checkpoint", given.heavy)
        scaled(given.turns, model)
        served(given.turns, model)


if __name__ == "__main__":
    main()
