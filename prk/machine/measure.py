"""Measure a machine's bounds, by launches as those of a sweep: bandwidth, flop peak, messages, words."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from prk.harness import store
from prk.harness.execute import campaign, launch
from prk.harness.execute.command import MARK
from prk.machine import bounds
from prk.machine.bounds import Machine
from prk.problem import Refusal
from prk.records import build, read, write
from prk.run import environment, launcher, registry

LIMIT = 120.0
# The kernel whose bytes a second are the memory's; no cache holds its vectors, where there is room for them.
YARDSTICK, LENGTH, REPEAT = "nstream", 20_000_000, 5
# The words that start the processes of a layout.
Start = Callable[[Mapping[str, int]], Sequence[str]]


def measure(path: Path, start: Start = launcher.words) -> Machine:
    """Measure this machine and write the record to `path`. Raises Refusal if that cannot be done."""
    if path.exists():
        raise Refusal(str(path), "the machine is measured already", "remove the file to measure again")
    # The cores of this process, not of the machine: a job may hold only some of them.
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        found = _bounds(cores, start, Path(folder))
    table = {
        "schema": bounds.VERSION,
        "bounds": asdict(found),
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


def _layout(ranks: int) -> dict[str, int]:
    return {"ranks": ranks, "nodes": 1, "ranks_per_node": ranks, "threads": 1}


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
