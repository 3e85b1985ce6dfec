"""Measure a machine's bounds, by launches as those of a sweep: bandwidth, flop peak, messages."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prk import environment, record, runtime
from prk.harness import bounds, campaign, command, launch, store
from prk.harness.bounds import Machine
from prk.problem import Refusal

LIMIT = 120.0
# Vectors that no cache holds, where there is room for them; three of them are read, one is written.
LENGTH, REPEAT = 20_000_000, 5


def measure(path: Path) -> Machine:
    """Measure this machine and write the record to `path`. Raises Refusal if that cannot be done."""
    if path.exists():
        raise Refusal(str(path), "the machine is measured already", "remove the file to measure again")
    # The cores of this process, not of the machine: a job may hold only some of them.
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        found = _bounds(cores, Path(folder))
    table = {
        "schema": bounds.VERSION,
        "bounds": asdict(found),
        "prk": record.prk_version(),
        "environment": campaign.machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with store.refuse_unwritable(path):
        record.write(table, path)
    return found


def _bounds(cores: int, folder: Path) -> Machine:
    """Return the bounds, the best of several samples each."""
    python = [sys.executable, "-m"]
    messages: dict[str, float] = {}
    if runtime.runtime("mpi1").missing() is None:
        messages = json.loads(
            _output(["mpirun", "-n", "2", *python, "prk.runtimes.pingpong"], folder, cores < 2)
        )
    return Machine(
        cores=cores,
        core_bandwidth=_bandwidth(1, folder),
        bandwidth=_bandwidth(cores, folder),
        core_flops=float(_output([*python, "prk.harness.flops", "1"], folder)),
        flops=float(_output([*python, "prk.harness.flops", str(cores)], folder)),
        latency=messages.get("latency"),
        message_bandwidth=messages.get("bandwidth"),
    )


def _bandwidth(cores: int, folder: Path) -> float:
    """Return Nstream's bytes a second on so many cores: ranks where there is MPI, else threads."""
    length = min(LENGTH, environment.available_memory() // 100)
    own = ["--n", length, "--iterations", 10, "--repeat", REPEAT, "--json", folder / f"nstream-{cores}.json"]
    kernel = [sys.executable, "-m", "prk.nstream", *map(str, own)]
    if cores == 1:
        words = [*kernel, "--runtime", "serial"]
    elif runtime.runtime("mpi1").missing() is None:
        words = ["mpirun", "-n", str(cores), *kernel, "--runtime", "mpi1"]
    else:
        words = [*kernel, "--runtime", "numba", "--threads", str(cores)]
    _output(words, folder)
    return 1e6 * json.loads((folder / f"nstream-{cores}.json").read_text())["rate"]["max"]


def _output(words: Sequence[str], folder: Path, oversubscribed: bool = False) -> str:
    """Run a command; return the last line it prints. Raises Refusal if it fails."""
    extra = {command.MARK: json.dumps({"machine": str(folder)})}
    extra |= command.AS_ROOT if os.geteuid() == 0 else {}
    extra |= command.OVERSUBSCRIBED if oversubscribed else {}
    ended = launch.run(words, {**os.environ, **extra}, LIMIT, folder / "measure")
    lines = ended.out.strip().splitlines()
    if ended.code or not lines:
        said = (ended.err.strip().splitlines() or ["no output"])[-1]
        raise Refusal(
            "machine", f"{' '.join(words[:6])} failed: {said}", "python -m prk doctor says what is missing"
        )
    return lines[-1]


def text(found: Machine) -> str:
    """Return the bounds as lines."""
    return "\n".join(f"{name:<28}{value}" for name, value in named(found))


def named(found: Machine) -> list[tuple[str, str]]:
    """Return the bounds by name, with units."""
    table: list[tuple[str, Any]] = [
        ("Nstream, one core", f"{found.core_bandwidth / 1e9:.1f} GB/s"),
        (f"Nstream, {found.cores} cores", f"{found.bandwidth / 1e9:.1f} GB/s"),
        ("Flop peak, one core", f"{found.core_flops / 1e9:.1f} GFlop/s"),
        (f"Flop peak, {found.cores} cores", f"{found.flops / 1e9:.1f} GFlop/s"),
    ]
    if found.latency and found.message_bandwidth:
        table += [
            ("Message of 8 bytes", f"{found.latency * 1e6:.2f} us"),
            ("Messages of 4 MiB", f"{found.message_bandwidth / 1e9:.1f} GB/s"),
        ]
    return table
