"""The roofs of a roofline: python -m prk.machine.roofs THREADS prints JSON, the best round of each.

`single`, `double`, `half`: flop a second of products of square matrices, each thread with its own, by SGEMM,
DGEMM and in bfloat16 (None without PyTorch, whose single precision counts too where it is faster). `copy`,
`triad`: bytes a second of a = b and a = b + 3 c, what is written counted once. `l2`, `l3`: bytes a second
that are read from half of a core's second-level cache, and of its share of the third level's.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from prk import memory
from prk.harness import store
from prk.harness.execute import campaign
from prk.machine.memory import STREAMS
from prk.machine.memory import read as read_all
from prk.problem import Refusal
from prk.records import build, write
from prk.run import doctor, environment

VERSION = 1
# Side of the matrices, elements of a vector where there is room for them, and which part of it they may take.
SIDE, LENGTH, PART = 1024, 1 << 24, 8
ROUNDS = 5
# Bytes that a cache's test reads in a round, and seconds that a measurement may take.
PASSES, LIMIT = 1 << 28, 120.0
# Cpus as the system lists them, as 0-3,8.
RANGE = re.compile(r"(\d+)(?:-(\d+))?")
# What the roofs are called, the flat ones first.
PEAKS = {"single": "SGEMM", "double": "DGEMM", "half": "GEMM in bfloat16"}
SLOPES = {"copy": "copy", "triad": "triad", "l2": "read from L2", "l3": "read from L3"}
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Roofs:
    """Flop and bytes a second of some threads; None where there is no such thing."""

    single: float
    double: float
    half: float | None
    copy: float
    triad: float
    l2: float | None
    l3: float | None

    @property
    def bandwidth(self) -> float:
        """Return the memory's bytes a second."""
        return max(self.copy, self.triad)

    def peak(self, dtype: str) -> float:
        """Return the flop a second of a type of numbers."""
        return {"float64": self.double, "bfloat16": self.half or self.single}.get(dtype, self.single)


@dataclass(frozen=True)
class Machine:
    """The roofs of one core and of all."""

    cores: int
    core: Roofs
    all: Roofs

    def used(self, cores: int) -> Roofs:
        """Return the roofs of so many cores: what one core has that often, up to what all of them have."""
        if cores >= self.cores:
            return self.all
        found: dict[str, Any] = {}
        for name, one in asdict(self.core).items():
            every = getattr(self.all, name)
            found[name] = None if one is None or every is None else min(cores * one, max(one, every))
        return Roofs(**found)


@njit(cache=True, nogil=True)
def copy(a, b, c):
    """Put b into a."""
    for i in range(a.size):
        a[i] = b[i]


@njit(cache=True, nogil=True)
def triad(a, b, c):
    """Put b + 3 c into a."""
    for i in range(a.size):
        a[i] = b[i] + 3.0 * c[i]


def best(threads: int, work: Callable[[int], object], amount: float) -> float:
    """Return how much of `amount` a second all threads together do in the best round; the first compiles."""
    with ThreadPoolExecutor(threads) as pool:
        seconds = []
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            list(pool.map(work, range(threads)))
            seconds.append(time.perf_counter() - start)
    return threads * amount / min(seconds[1:])


def products(threads: int, dtype: str) -> float:
    """Return the flop a second of NumPy's products."""
    a, b, c = ([np.ones((SIDE, SIDE), dtype) for _ in range(threads)] for _ in range(3))

    def multiply(t: int) -> None:
        np.matmul(a[t], b[t], out=c[t])

    return best(threads, multiply, 2.0 * SIDE**3)


def by_library(threads: int) -> tuple[float, float | None]:
    """Return the flop a second of PyTorch's products in single and in half precision; 0 and None without."""
    try:
        import torch
    except ImportError:
        return 0.0, None
    torch.set_num_threads(1)

    def rate(kind: torch.dtype) -> float:
        a, b, c = ([torch.ones(SIDE, SIDE, dtype=kind) for _ in range(threads)] for _ in range(3))

        def multiply(t: int) -> None:
            torch.mm(a[t], b[t], out=c[t])

        return best(threads, multiply, 2.0 * SIDE**3)

    return rate(torch.float32), rate(torch.bfloat16)


def vectors(threads: int) -> tuple[float, float]:
    """Return the bytes a second of copy and of triad."""
    length = min(LENGTH, environment.available_memory() // (PART * threads * 24))
    arrays = [[memory.empty(length) for _ in range(3)] for _ in range(threads)]

    def touch(t: int) -> None:
        for array in arrays[t]:
            array[:] = 1.0

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(touch, range(threads)))

    def copied(t: int) -> None:
        copy(*arrays[t])

    def by_library(t: int) -> None:
        # It may go past the caches.
        np.copyto(arrays[t][0], arrays[t][1])

    def added(t: int) -> None:
        triad(*arrays[t])

    copies = max(best(threads, work, 16 * length) for work in (copied, by_library))
    return copies, best(threads, added, 24 * length)


def cache(level: int) -> int | None:
    """Return the bytes of this core's share of a cache's level, or None where nothing tells."""
    for folder in CACHES.glob("index*"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            said = {n: (folder / n).read_text().strip() for n in ("level", "type", "size", "shared_cpu_list")}
            if said["level"] == str(level) and said["type"] != "Instruction":
                size = int(said["size"][:-1]) * {"K": 1 << 10, "M": 1 << 20}[said["size"][-1]]
                sharing = [range(int(a), int(b or a) + 1) for a, b in RANGE.findall(said["shared_cpu_list"])]
                own = os.sched_getaffinity(0)
                return size // (max(1, len(own & {c for r in sharing for c in r})) if level > 2 else 1)
    return None


def reading(threads: int, size: int | None) -> float | None:
    """Return the bytes a second that threads read, each again and again half of so many bytes."""
    if size is None:
        return None
    arrays = [np.ones((STREAMS, max(1, size // 2 // (8 * STREAMS)))) for _ in range(threads)]
    passes = max(1, PASSES // arrays[0].nbytes)

    def work(t: int) -> None:
        for _ in range(passes):
            read_all(arrays[t])

    return best(threads, work, float(passes * arrays[0].nbytes))


def roofs(threads: int) -> Roofs:
    """Measure the roofs of so many threads."""
    single, half = by_library(threads)
    copied, added = vectors(threads)
    return Roofs(
        single=max(products(threads, "float32"), single),
        double=products(threads, "float64"),
        half=half,
        copy=copied,
        triad=added,
        l2=reading(threads, cache(2)),
        l3=reading(threads, cache(3)),
    )


def measure(path: Path) -> Machine:
    """Measure the roofs of a core and of all, by a process each, and write them. Raises Refusal."""
    cores = len(os.sched_getaffinity(0))
    found = []
    for threads in (1, cores):
        done = doctor.run([sys.executable, "-m", __name__, str(threads)], LIMIT)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Refusal("roofline", f"the roofs cannot be measured ({why})", "see python -m prk doctor")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    table = {
        "schema": VERSION,
        "cores": cores,
        "core": found[0],
        "all": found[1],
        "prk": build.prk_version(),
        "environment": campaign.machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with store.refuse_unwritable(path):
        write.write(table, path)
    return of(table)


def read(path: Path) -> Machine | None:
    """Return the roofs that were measured, None if none were. Raises Refusal for a file that holds none."""
    try:
        found = json.loads(path.read_text())
        if found["schema"] != VERSION:
            raise ValueError(f"schema {found['schema']}")
        return of(found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(str(path), f"holds no roofs ({error})", "remove it, and measure again") from None


def of(table: Mapping[str, Any]) -> Machine:
    """Return the machine in a record of its roofs."""
    return Machine(int(table["cores"]), Roofs(**table["core"]), Roofs(**table["all"]))


def named(found: Machine) -> list[tuple[str, str, str]]:
    """Return the roofs by name, of a core and of all, with units."""

    def shown(value: float | None, name: str) -> str:
        return "-" if value is None else f"{value / 1e9:.1f} {'GFlop/s' if name in PEAKS else 'GB/s'}"

    pairs = {name: (getattr(found.core, name), getattr(found.all, name)) for name in (*PEAKS, *SLOPES)}
    return [((PEAKS | SLOPES)[n], shown(core, n), shown(every, n)) for n, (core, every) in pairs.items()]


if __name__ == "__main__":
    print(json.dumps(asdict(roofs(int(sys.argv[1])))))
