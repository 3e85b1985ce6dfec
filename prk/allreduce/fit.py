"""Fit the tables of several records and print their crossovers: `python -m prk.allreduce.fit RECORD ...`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from prk.allreduce import model
from prk.records import read


def label(record: Mapping[str, Any]) -> str:
    """Return what was measured, then by which algorithm."""
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
        why = f"status {', '.join(wrong)}" if wrong else model.refused(rows)
        found = None if why else model.line(rows)
        lines.append(f"{name}: {found or f'refused, {why}'}")
        if found:
            fits.append((name.split(": "), found))
    for ((where, a), first), ((other, b), second) in combinations(fits, 2):
        if where != other:
            continue
        size = model.crossover(first, second)
        faster = a if first.seconds(1) < second.seconds(1) else b
        beyond = b if faster == a else a
        lines.append(
            f"{where}: {faster} is faster up to {size:.0f} B, {beyond} beyond"
            if size
            else f"{where}: {faster} is faster than {beyond} at every size"
        )
    return lines


def main(argv: Sequence[str]) -> int:
    """Print the fits of the records named; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m prk.allreduce.fit", description=__doc__)
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD", help="records of prk.allreduce")
    try:
        records = [read.read(path) for path in parser.parse_args(argv).records]
        lines = report(records)
    except (ValueError, KeyError, TypeError) as error:
        print(f"prk.allreduce.fit: RECORD: not a record of prk.allreduce ({error})", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
