"""Measure a machine's bounds, by launches as those of a sweep: bandwidth, flop peak, messages, words."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.execute import campaign, launch
from prk.harness.execute.command import MARK
from prk.machine import bounds
from prk.machine.bounds import Machine
from prk.machine.model import DISTANCES, OF_DISTANCE, Figure, Model, Rates
from prk.problem import Refusal
from prk.records import build, read, write
from prk.run import environment, launcher, registry

LIMIT = 120.0
# The kernel whose bytes a second are the memory's; no cache holds its vectors, where there is room for them.
YARDSTICK, LENGTH, REPEAT = "nstream", 20_000_000, 5
# More nodes than any machine has.
ALL = 1_000_000
# The words that start the processes of a layout.
Start = Callable[[Mapping[str, int]], Sequence[str]]


def measure(path: Path, start: Start = launcher.words, nodes: int = 1) -> Machine:
    """Measure this machine and write the record to `path`. Raises Refusal if that cannot be done.

    With two `nodes`, the model that predictions are made with has measured figures of their network, too.
    """
    if path.exists():
        raise Refusal(str(path), "the machine is measured already", "remove the file to measure again")
    # The cores of this process, not of the machine: a job may hold only some of them.
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        found = _bounds(cores, start, Path(folder))
        has_mpi = registry.runtime(registry.BASELINE).missing() is None
        own = {"model": _model(found, start, Path(folder), nodes).table()} if has_mpi else {}
    table = {
        "schema": bounds.VERSION,
        "bounds": asdict(found),
        **own,
        "prk": build.prk_version(),
        "environment": campaign.machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with store.refuse_unwritable(path):
        write.write(table, path)
    return found


def _bounds(cores: int, start: Start, folder: Path) -> Machine:
    """Return the bounds, the best of several samples each."""
    python = [sys.executable, "-m"]
    messages: dict[str, float] = {}
    if registry.runtime(registry.BASELINE).missing() is None:
        words = [*start(_layout(2)), *python, "prk.runtimes._mpi.pingpong"]
        messages = json.loads(_output(words, folder, cores < 2))
    one, every = (json.loads(_output([*python, "prk.machine.access", str(n)], folder)) for n in (1, cores))
    # As much memory as the yardstick's vectors take.
    words = [*python, "prk.machine.memory", str(3 * 8 * _length()), "1", str(cores)]
    streams = json.loads(_output(words, folder))
    return Machine(
        cores=cores,
        core_bandwidth=max(_bandwidth(1, start, folder), streams[0]),
        bandwidth=max(_bandwidth(cores, start, folder), streams[1]),
        core_flops=float(_output([*python, "prk.machine.flops", "1"], folder)),
        flops=float(_output([*python, "prk.machine.flops", str(cores)], folder)),
        latency=messages.get("latency"),
        message_bandwidth=messages.get("bandwidth"),
        message_stream=messages.get("stream"),
        core_updates=one["updates"],
        updates=every["updates"],
        chase=one["chase"],
        atomic=one["atomic"],
    )


def _layout(ranks: int, nodes: int = 1) -> dict[str, int]:
    return {"ranks": ranks, "nodes": nodes, "ranks_per_node": ranks // nodes, "threads": 1}


def _model(found: Machine, start: Start, folder: Path, nodes: int) -> Model:
    """Return the machine as predictions want it: messages between cores, and kernels on one and on all."""
    python, cores = [sys.executable, "-m"], found.cores
    ranks = max(2, nodes * cores)
    words = [*start(_layout(ranks, nodes)), *python, "prk.runtimes._mpi.loggp"]
    talked = json.loads(_output(words, folder, ranks > nodes * cores))
    alone = [*python, "prk.runtimes._mpi.alone", registry.BASELINE]
    one, every = (json.loads(_output([*start(_layout(n)), *alone], folder)) for n in (1, cores))
    return of_measured(found, talked, one, every)


def of_measured(
    found: Machine, talked: Mapping[str, Any], one: Mapping[str, Any], every: Mapping[str, Any]
) -> Model:
    """Return the model of what was measured; a distance that was not there is taken to be as the nearest."""
    figures = {
        "node.cores": Figure(found.cores, "measured", "the cpus that the measuring process may use"),
        "node.sockets": Figure(talked["sockets"], "measured", "the sockets of the ranks' cpus"),
        "node.of_group": Figure(ALL, "assumed", "all nodes: nobody was asked"),
    }
    for name in ("memory.core_bandwidth", "memory.bandwidth", "arithmetic.core_flops", "arithmetic.flops"):
        value = getattr(found, name.partition(".")[2])
        figures[name] = Figure(value, "measured", "as the bounds of this record")
    before = ""
    for distance in DISTANCES:
        own = talked["distance"].get(distance)
        for name in OF_DISTANCE:
            figure, near = f"distance.{distance}.{name}", figures.get(f"distance.{before}.{name}")
            if own:
                figures[figure] = Figure(own[name], "measured", "prk.runtimes._mpi.loggp, two ranks")
            else:
                figures[figure] = _as(near, before, talked, name)
        if distance in DISTANCES[:2]:
            near = figures.get(f"distance.{before}.flag")
            measured = "flag" in (own or {})
            figures[f"distance.{distance}.flag"] = (
                Figure(own["flag"], "measured", "prk.runtimes._mpi.loggp, two ranks")
                if measured
                else _as(near, before, talked, "flag")
            )
        before = distance
    for name in ("bandwidth", "gap"):
        injected = talked.get("injection")
        figures[f"injection.{name}"] = (
            Figure(injected[name], "measured", "prk.runtimes._mpi.loggp, all ranks of a node")
            if injected
            else Figure(figures[f"distance.node.{name}"].value, "assumed", "as two ranks: there was one node")
        )
    for name, value in talked["noise"].items():
        figures[f"noise.{name}"] = Figure(value, "measured", "a core that did nothing but look at the clock")
    kernels = {
        kernel: Rates(
            tuple(w for w, _ in own),
            tuple(s for _, s in own),
            tuple(s for _, s in every[kernel]),
            "measured",
            "prk.runtimes._mpi.alone, on one core and on all",
        )
        for kernel, own in one.items()
    }
    return Model(environment.node(), figures, kernels)


def _as(near: Figure | None, distance: str, talked: Mapping[str, Any], name: str) -> Figure:
    """Return a figure that was not measured: that of the distance before, or else of any."""
    if near:
        return Figure(near.value, "assumed", f"as distance.{distance}: there were no such ranks")
    value = next(own[name] for own in talked["distance"].values() if name in own)
    return Figure(value, "assumed", "as the nearest distance that there was")


def _bandwidth(cores: int, start: Start, folder: Path) -> float:
    """Return the yardstick's bytes a second on so many cores: ranks where there is MPI, else threads."""
    path = folder / f"{YARDSTICK}-{cores}.json"
    own = ["--n", _length(), "--iterations", 10, "--repeat", REPEAT, "--json", path]
    kernel = [sys.executable, "-m", registry.package_of(YARDSTICK), *map(str, own)]
    if cores == 1:
        words = [*kernel, "--runtime", registry.SERIAL]
    elif registry.runtime(registry.BASELINE).missing() is None:
        words = [*start(_layout(cores)), *kernel, "--runtime", registry.BASELINE]
    else:
        words = [*kernel, "--runtime", _threads(), "--threads", str(cores)]
    _output(words, folder)
    metric = registry.problem_class(YARDSTICK).metrics[0]
    values: list[float] = read.read(path)["metrics"][metric.name]["values"]
    return metric.scale * max(values)


def _length() -> int:
    """Return the length of the yardstick's vectors."""
    return min(LENGTH, environment.available_memory() // 100)


def _threads() -> str:
    """Return a runtime of threads in one process. Raises Refusal if none can run here."""
    for how in registry.usable():
        if how.count_option == "threads" and not how.launched and not registry.missing(how.name, YARDSTICK):
            return how.name
    raise Refusal("machine", "neither MPI nor threads can run here", "python -m prk lists what is missing")


def _output(words: Sequence[str], folder: Path, oversubscribed: bool = False) -> str:
    """Run a command; return the last line it prints. Raises Refusal if it fails."""
    extra = {**launcher.environment(oversubscribed), MARK: json.dumps({"machine": str(folder)})}
    ended = launch.run(words, {**os.environ, **extra}, LIMIT, folder / "measure")
    lines = ended.out.strip().splitlines()
    if ended.code or not lines:
        said = (ended.err.strip().splitlines() or ["no output"])[-1]
        raise Refusal(
            "machine", f"{' '.join(words[:6])} failed: {said}", "python -m prk doctor says what is missing"
        )
    return lines[-1]
