"""Latency and bandwidth from a table of sizes and times, and where two of them cross.

`python -m prk.allreduce.fit RECORD ...` fits the tables of several records and prints their crossovers.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

# A size is noisy if a repetition in twenty took so many times as long as the median one.
SPREAD = 2.0
# A run is noisy if more than this part of its sizes is.
NOISY = 0.25
FEWEST = 3
# Sizes up to so many times the smallest give the latency, down to such a part of the largest the bandwidth.
WIDTH = 64


@dataclass(frozen=True)
class Fit:
    """time = latency + bytes / bandwidth, in seconds and bytes a second; its largest relative deviation."""

    latency: float
    bandwidth: float
    deviation: float

    def seconds(self, size: float) -> float:
        return self.latency + size / self.bandwidth

    def __str__(self) -> str:
        return (
            f"latency {self.latency * 1e6:.2f} us, bandwidth {self.bandwidth / 1e9:.3f} GB/s, "
            f"half of it at {self.latency * self.bandwidth:.0f} B, within {self.deviation:.0%}"
        )


def refused(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Say why a table must not be fitted, or return None."""
    if len(rows) < FEWEST:
        return f"{len(rows)} sizes are too few, use at least {FEWEST}"
    noisy = [row["bytes"] for row in rows if row["p95"] > SPREAD * row["p50"]]
    if len(noisy) > NOISY * len(rows):
        return f"noisy: p95 is more than {SPREAD:g} x p50 at {len(noisy)} of {len(rows)} sizes"
    return None


def line(rows: Sequence[Mapping[str, Any]]) -> Fit:
    """Return the line through both ends of the table: latency of small messages, bandwidth of large ones.

    One fit over all sizes would follow neither: between the ends the protocols and the caches change.
    """
    ordered = sorted(rows, key=lambda row: row["bytes"])
    sizes = np.array([row["bytes"] for row in ordered], float)
    seconds = np.array([row["p50"] for row in ordered]) / 1e6
    small, large = sizes <= sizes[0] * WIDTH, sizes >= sizes[-1] / WIDTH
    # Where even the smallest message takes as long as the largest, half of the time is counted as transfer.
    waiting = np.minimum(seconds[small].min(), seconds[large] / 2)
    bandwidth = float(np.median(sizes[large] / (seconds[large] - waiting)))
    latency = max(0.0, float(np.median(seconds[small] - sizes[small] / bandwidth)))
    return Fit(latency, bandwidth, float(np.abs((latency + sizes / bandwidth) / seconds - 1).max()))


def crossover(a: Fit, b: Fit) -> float | None:
    """Return the size in bytes at which both take equally long, or None if one is faster at every size."""
    slope = 1 / a.bandwidth - 1 / b.bandwidth
    size = (b.latency - a.latency) / slope if slope else -1.0
    return size if size > 0 else None


def described(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the fit of one table for print and record, or why there is none."""
    why = refused(rows)
    if why:
        return {"fit": f"refused, {why}"}
    found = line(rows)
    return {
        "fit": str(found),
        "latency (us)": found.latency * 1e6,
        "bandwidth (GB/s)": found.bandwidth / 1e9,
        "deviation": found.deviation,
    }


def label(record: Mapping[str, Any]) -> str:
    p = record["parameters"]
    name = f"{record['runtime']} {record['variant']}".strip()
    return f"{p['collective']} {p['dtype']} {p['place']}, {record['layout']['ranks']} ranks: {name}"


def merged(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, float]]:
    """Return one table of several launches: at each size the medians over them."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for row in (row for table in tables for row in table):
        found.setdefault(row["bytes"], []).append(row)
    return [
        {"bytes": size, **{name: median(row[name] for row in rows) for name in ("p50", "p95")}}
        for size, rows in sorted(found.items())
    ]


def report(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each algorithm, of all its records, and one for each two that can be compared."""
    lines, fits = [], []
    same: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        same.setdefault(label(record), []).append(record)
    for name, own in same.items():
        wrong = sorted({record["status"] for record in own} - {"ok"})
        rows = merged([record["table"] for record in own if not wrong])
        why = f"status {', '.join(wrong)}" if wrong else refused(rows)
        found = None if why else line(rows)
        lines.append(f"{name}: {found or f'refused, {why}'}")
        if found:
            fits.append((name.split(": "), found))
    for ((where, a), first), ((other, b), second) in combinations(fits, 2):
        if where != other:
            continue
        size = crossover(first, second)
        faster = a if first.seconds(1) < second.seconds(1) else b
        beyond = b if faster == a else a
        lines.append(
            f"{where}: {faster} is faster up to {size:.0f} B, {beyond} beyond"
            if size
            else f"{where}: {faster} is faster than {beyond} at every size"
        )
    return lines


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m prk.allreduce.fit", description=__doc__)
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="records of prk.allreduce")
    try:
        records = [json.loads(path.read_text()) for path in parser.parse_args(argv).records]
        lines = report(records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"prk.allreduce.fit: RECORD: not a record of prk.allreduce ({error})", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
