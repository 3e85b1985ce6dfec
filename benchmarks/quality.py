"""Train every workload that has a target to it, under MLPerf-style rules: `python benchmarks/quality.py`.

A workload that is found is trained as it says itself (`usual`), a folder each with records and logs, and
what all came to stands in the folder's README.md. MLPerf-style rules, not an MLPerf result.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from prk.ddp import workload
from prk.ddp.problem import REMARK, Ddp
from prk.harness.analyse.score import olympic
from prk.problem import Refusal
from prk.records import read
from prk.records.text import aligned
from prk.run import launcher

MISSED = "missed"
# AIBench's subset: image classification, detection, learning to rank.
SUBSET = ("C1", "C9", "C16")
HEADINGS = (
    "workload", "AIBench", "data", "quality", "target", "reached", "parameters", "flop/step", "epochs",
    "time (s)", "samples/s", "exposed share", "data share", "MFU", "CV of epochs", "runs at target", "status",
)  # fmt: skip


def found(chosen: list[str]) -> tuple[list[str], list[str]]:
    """Return the workloads with a target that can be trained here, and why others cannot."""
    here, missing = [], []
    for name in chosen or workload.names():
        try:
            one = workload.find(name)
            one.refuse(Ddp(workload=name))
        except Refusal as refusal:
            missing.append(f"{name}: {refusal}")
            continue
        if one.target is not None:
            here.append(name)
    return here, missing


def train(name: str, folder: Path, ranks: int, runs: int, runtime: str) -> dict[str, Any]:
    """Train a workload so many times, with a seed each; return its line."""
    one = workload.find(name)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    statuses = []
    for seed in range(1, runs + 1):
        path = folder / f"{seed}.json"
        words = [*launcher.words({"ranks": ranks}), sys.executable, "-m", "prk.ddp", "--runtime", runtime]
        words += ["--workload", name, *one.usual.split(), "--rules", "mlperf", "--seed", str(seed)]
        if not path.exists():
            subprocess.run([*words, "--json", str(path), "--timeout", "0"], check=False)
        made: Any = read.read(path) if path.exists() else {"status": "failed", "table": []}
        statuses.append(str(made["status"]))
        rows += made["table"]

    def mean(key: str) -> float | None:
        values = [row[key] for row in rows if row.get(key) is not None]
        return sum(values) / len(values) if values else None

    metric = one.quality.name if one.quality else ""
    keys = ("quality", "parameters", "flop", "epochs", "seconds", "throughput", "share", "data", "mfu")
    about = {"workload": name, "aibench": one.aibench, "source": one.source, "metric": metric}
    epochs = [row["epochs"] for row in rows if row.get("epochs")]
    spread = pstdev(epochs) / fmean(epochs) if len(epochs) > 2 else None
    ended = {"spread": spread, "reached": f"{len(epochs)} of {runs}", "status": together(statuses)}
    return {**about, "target": one.target, **{key: mean(key) for key in keys}, **ended}


def together(statuses: list[str]) -> str:
    """Return the status of several runs: of three or more, the slowest may miss its target."""
    times = [math.inf if status == MISSED else 0.0 for status in statuses]
    missed = math.isinf(olympic(times) if len(times) > 2 else max(times))
    wrong = [status for status in statuses if status not in ("ok", MISSED)]
    return wrong[0] if wrong else MISSED if missed else "ok"


def cells(line: dict[str, Any]) -> list[str]:
    """Return a workload's line as words."""
    return ["-" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in line.values()]


def subset(lines: list[dict[str, Any]]) -> str:
    """Return what AIBench's subset for a quick ranking costs beside all tasks."""
    times = {line["aibench"]: line["seconds"] for line in lines if line["aibench"] and line["seconds"]}
    part, whole = sum(times.get(task, 0.0) for task in SUBSET), sum(times.values())
    lacking = [task for task in SUBSET if task not in times]
    saved = f", {1 - part / whole:.0%} less" if whole and not lacking else ""
    said = (
        f"Subset {', '.join(SUBSET)}: {part:.1f} s of {whole:.1f} s to AIBench's {len(times)} targets{saved}"
    )
    return f"{said}; without {', '.join(lacking)}." if lacking else f"{said}."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workloads", nargs="*", help="those to train (default: all that are here)")
    parser.add_argument("--out", type=Path, default=Path("results/training"), help="(default: %(default)s)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1, help="seeds of each (default: 1)")
    parser.add_argument("--runtime", default="mpi1")
    a = parser.parse_args()
    here, missing = found(a.workloads)
    lines = [train(name, a.out / name, a.ranks, a.runs, a.runtime) for name in here]
    table = aligned([HEADINGS, *map(cells, lines)])
    said = [
        f"# Trainings to their targets\n\n{REMARK}. {a.runtime}, {a.ranks} ranks, {a.runs} seeds; means.\n"
    ]
    text = "\n".join([*said, "```", *table, "```", "", subset(lines), *(["", *missing] if missing else [])])
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "README.md").write_text(text + "\n")
    (a.out / "summary.json").write_text(json.dumps(lines, indent=1) + "\n")
    print(text)
    sys.exit(any(line["status"] != "ok" for line in lines))


if __name__ == "__main__":
    main()
