"""What there is to train: `python -m prk.ddp --list [--data FOLDER]`."""

import argparse
from collections.abc import Sequence

from prk.ddp import workload
from prk.ddp.problem import Ddp
from prk.problem import Refusal
from prk.run import output

HEADINGS = ("workload", "task", "data", "AIBench", "MLPerf", "target", "reached by")


def listed(argv: Sequence[str]) -> int:
    """Print all workloads, and what the data of those that are not here are got by; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m prk.ddp --list", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", default="", metavar="FOLDER", help="where a workload's files are")
    given = parser.parse_args(argv)
    with output.lasting():
        print(table(given.data))
    return 0


def table(folder: str = "") -> str:
    """Return a line for each workload, then one for each that cannot be trained here, and why."""
    rows, missing = [HEADINGS], []
    for name in workload.names():
        try:
            one = workload.find(name)
            target = f"{one.quality.name} {one.target:g}" if one.quality and one.target else ""
            rows.append((name, one.title, one.source, one.aibench, one.mlperf, target, one.usual))
            one.refuse(Ddp(workload=name, data=folder))
        except Refusal as refusal:
            missing.append(f"{name}: {str(refusal).partition(': ')[2]}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(["", "Not to be trained here:", *missing] if missing else [])])
