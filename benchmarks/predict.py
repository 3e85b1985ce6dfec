"""How far predictions are from measurements, where nothing else runs: python benchmarks/predict.py.

Measures the machine (or takes --machine FILE), then each kernel on 1 and on all cores, on every runtime that
has a schedule, over sizes; prints predicted over measured seconds. The rates of computation are those of
ranks alone, over the same sizes: `error` takes them as measured, `left out` without the size to be predicted.
A machine that others share does not run the same code at the same rate twice, so that all launches of a round
follow each other, rates beside what they predict, and the medians of the rounds are compared.
With --goals it times the study's curves and 131,072 ranks instead.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prk.harness.analyse import predicted
from prk.harness.plan import expand, sweep
from prk.harness.plan.points import Plan
from prk.machine import model, replay
from prk.machine.model import Model, Rates
from prk.problem import sizes
from prk.records import read
from prk.run import launcher, registry
from prk.schedule import Layout

# Of the leading parameter: multiples of the cores of usual machines, in cache and far out of it.
SIZES: Mapping[str, Sequence[int]] = {
    "stencil": (2000, 4000, 8000),
    "synch_p2p": (2000, 4000, 8000),
    "transpose": (1920, 3840, 7680),
    "ddp": (32, 64, 128),
}
GOALS = ("study-stencil", "study-synch-p2p", "study-transpose")
LARGE = 131_072
# Elements of all repetitions of a launch on a grid, so that it takes a second or so whatever the size.
ELEMENTS = 1.6e9


def planned(kernel: str, runtime: str, values: Sequence[int], cores: int) -> Plan:
    """Return the points of one kernel and runtime: sizes on one core and on all."""
    kind = registry.problem_class(kernel)
    names = sizes(kind)
    usual = {name: kind.__dataclass_fields__[name].default for name in names}
    together = [name for name in names if usual[name] == usual[names[0]]]
    lists: dict[str, Any] = {name: list(values) for name in together}
    if kernel != "ddp":
        lists["iterations"] = [max(10, round(ELEMENTS / value**2)) for value in values]
    threads = runtime == "mpithreads"
    point = {
        "kernel": kernel,
        "runtime": runtime,
        **lists,
        **({"zip": [list(lists)]} if len(lists) > 1 else {}),
        **({"ranks": 1, "threads": [1, cores]} if threads else {"ranks": [1, cores]}),
    }
    return expand.make(sweep.parse({"points": [point], "seed": 1}, "benchmark", "benchmark"))


def launch(point: Any, folder: Path) -> float:
    """Return the seconds of a repetition of a point in one launch."""
    path = folder / "record.json"
    values = {f"--{k.replace('_', '-')}": v for k, v in {**point.parameters, **point.options}.items()}
    words = [str(w) for pair in values.items() for w in pair if pair[1] not in (None, "")]
    start = launcher.words(point.layout, unbound=registry.runtime(point.runtime).unbound)
    program = ["-m", registry.package_of(point.kernel), "--runtime", point.runtime]
    path.unlink(missing_ok=True)
    done = subprocess.run(
        [*start, sys.executable, *program, *words, "--json", str(path), "--quiet"],
        env={**os.environ, **launcher.environment(False)},
        timeout=300,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    if done.returncode:
        raise SystemExit(f"{point} failed")
    rates = read.read(path)["metrics"][point.metric.name]["values"]
    # A rate becomes seconds by the rate of one second.
    return statistics.median(point.metric.of(point.work, 1.0) / rate for rate in rates)


def alone(kernel: str, values: Sequence[int], cores: int) -> list[Any]:
    """Return work and seconds of a kernel's computation over sizes, a launch on one core and one on all."""
    series = []
    for ranks in (1, cores):
        start = launcher.words({"ranks": ranks, "nodes": 1, "ranks_per_node": ranks, "threads": 1})
        words = [*start, sys.executable, "-m", "prk.runtimes._mpi.alone", registry.BASELINE]
        given = ",".join(map(str, values))
        environment = {**os.environ, **launcher.environment(False)}
        out = subprocess.run(
            [*words, f"{kernel}={given}"], env=environment, check=True, stdout=subprocess.PIPE, timeout=600
        ).stdout
        series.append(json.loads(out.splitlines()[-1])[kernel])
    return series


def together(rounds: Sequence[list[Any]]) -> Rates:
    """Return the medians of rounds of `alone` as rates."""
    one, every = (
        [statistics.median(took[side][i][1] for took in rounds) for i in range(len(rounds[0][side]))]
        for side in (0, 1)
    )
    works = tuple(work for work, _ in rounds[0][0])
    return Rates(works, tuple(one), tuple(every), "measured", "benchmarks/predict.py")


def compare(
    kernel: str, runtimes: Sequence[str], machine: Model, values: Sequence[int], folder: Path, repeat: int
) -> list[float]:
    """Print predicted over measured seconds of a kernel; return the errors that are not oversubscribed."""
    cores = int(machine["node.cores"])
    # The share of a rank is a size of its own.
    every = sorted({*values, *(v // cores if kernel == "ddp" else round(v / cores**0.5) for v in values)})
    points = [
        point
        for runtime in runtimes
        if registry.has(runtime, kernel) and registry.runtime(runtime).cell(kernel).schedule
        for point in planned(kernel, runtime, values, cores).points
    ]
    rounds, measured = [], []
    for _ in range(repeat):
        rounds.append(alone(kernel, every, cores))
        measured.append([launch(point, folder) for point in points])
    rates = together(rounds)
    whole = replace(machine, kernels={**machine.kernels, kernel: rates})
    errors = []
    for point, took in zip(points, map(statistics.median, zip(*measured, strict=True)), strict=True):
        said = predicted.of_point(point, whole).seconds
        without = _left_out(point, machine, rates)
        errors.append(said / took - 1)
        size = point.parameters[sizes(registry.problem_class(kernel))[0]]
        print(
            f"{kernel:<10} {point.label:<12} {point.cores:>3} cores {size:>6}"
            f"  measured {took * 1e3:9.3f} ms  predicted {said * 1e3:9.3f} ms"
            f"  error {said / took - 1:+6.1%}  left out {without / took - 1:+6.1%}",
            flush=True,
        )
    return errors


def _left_out(point: Any, machine: Model, rates: Rates) -> float:
    """Return the seconds that are predicted without the rates of the size that is nearest to the point's."""
    cost = registry.problem_class(point.kernel)(**point.parameters).mean_cost(point.layout["ranks"])
    amount = (cost.bytes or cost.flop) / point.cores
    nearest = min(range(len(rates.work)), key=lambda i: abs(rates.work[i] - amount))
    own = replace(machine, kernels={**machine.kernels, point.kernel: rates.without(nearest)})
    return predicted.of_point(point, own).seconds


def goals() -> None:
    """Time the study's curves of all MPI runtimes, and Stencil and Transpose on 131,072 ranks."""
    machine, begin = model.read("edison"), time.perf_counter()
    for name in GOALS:
        predicted.of_plan(expand.make(sweep.read(sweep.find(name))), machine)
    print(f"1 to 512 nodes x 24, n = 49152, all of {', '.join(GOALS)}: {time.perf_counter() - begin:.1f} s")
    for kernel, size in (("stencil", {"n": 393_216}), ("transpose", {"order": LARGE})):
        begin = time.perf_counter()
        problem, layout = registry.problem_class(kernel)(**size), Layout(LARGE, 4096)
        schedule: Any = registry.runtime(registry.BASELINE).cell(kernel).schedule
        options = {o.name: o.default for o in registry.runtime(registry.BASELINE).cell(kernel).options}
        amount = problem.mean_cost(LARGE).bytes / LARGE
        replay.seconds(machine, layout, schedule(problem, options, layout), None, amount, True)
        print(f"{kernel} on {LARGE:,} ranks: {time.perf_counter() - begin:.1f} s")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"memory at most: {used:.2f} GB")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machine", metavar="FILE", help="default: measured now")
    parser.add_argument("--kernel", action="append", choices=sorted(SIZES), help="default: all")
    parser.add_argument("--runtime", action="append", choices=registry.runtimes(), help="default: all")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds (default: 3)")
    parser.add_argument(
        "--goals", action="store_true", help="time the predictions themselves, and nothing else"
    )
    given = parser.parse_args()
    if given.goals:
        goals()
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = Path(given.machine or folder / "machine.json")
        if not given.machine:
            subprocess.run([sys.executable, "bench.py", "machine", "--out", str(path)], check=True)
        machine, worst = model.read(path), {}
        for kernel in given.kernel or SIZES:
            if registry.missing(registry.BASELINE, kernel):
                print(f"{kernel}: {registry.missing(registry.BASELINE, kernel)}")
                continue
            worst[kernel] = compare(
                kernel,
                given.runtime or list(registry.runtimes()),
                machine,
                SIZES[kernel],
                folder,
                given.repeat,
            )
    for kernel, errors in worst.items():
        ordered = sorted(map(abs, errors))
        print(f"{kernel}: error {ordered[len(ordered) // 2]:.1%} in the middle, {ordered[-1]:.1%} at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
