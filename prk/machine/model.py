"""A machine as the LogGP model sees it: every figure with where it comes from. Read strictly.

Latency, overhead, gap and bandwidth by the distance of two ranks, a node's memory and injection, noise; and
what each kernel's computation takes, where that was measured. D. Culler et al., LogP, 1993; A. Alexandrov et
al., LogGP, 1995.
"""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import prk
from prk.problem import Refusal

SHIPPED = Path(prk.__file__).with_name("jobs") / "machines"
# How far two ranks are apart: on cores of a socket, sockets of a node, nodes of a group, and in two groups.
DISTANCES = ("core", "socket", "node", "group")
ORIGINS = ("measured", "found", "fitted", "assumed")
# The figures of each table, with their units; in a node a flag has a latency, too.
OF_DISTANCE = {"latency": "s", "overhead": "s", "gap": "s", "bandwidth": "bytes/s"}
FLAG = {"flag": "s"}
TABLES: dict[str, dict[str, str]] = {
    "node": {"cores": "", "sockets": "", "of_group": "nodes"},
    "memory": {"core_bandwidth": "bytes/s", "bandwidth": "bytes/s"},
    "arithmetic": {"core_flops": "flop/s", "flops": "flop/s"},
    "injection": {"bandwidth": "bytes/s", "gap": "s"},
    "noise": {"rate": "1/s", "duration": "s"},
    **{f"distance.{d}": OF_DISTANCE | (FLAG if d in DISTANCES[:2] else {}) for d in DISTANCES},
}
UNITS = {f"{table}.{name}": unit for table, own in TABLES.items() for name, unit in own.items()}
COUNTS = ("node.cores", "node.sockets", "node.of_group")
# Words by which several figures are changed together.
TOGETHER = {
    "latency": "distance.*.latency",
    "overhead": "distance.*.overhead",
    "gap": "*.gap",
    "bandwidth": "distance.*.bandwidth",
    "flag": "distance.*.flag",
    "injection": "injection.bandwidth",
    "memory": "memory.*",
    "arithmetic": "arithmetic.*",
    "noise": "noise.rate",
}
# What changes the kernels' measured seconds too.
COMPUTING = ("memory", "arithmetic")


@dataclass(frozen=True)
class Figure:
    """One number, how it was come by, and where."""

    value: float
    origin: str
    source: str


@dataclass(frozen=True)
class Rates:
    """Seconds of a kernel's computation over its work a core, in bytes or flop: on one core, and on all."""

    work: tuple[float, ...]
    core: tuple[float, ...]
    node: tuple[float, ...]
    origin: str
    source: str

    def of(self, work: float) -> tuple[float, float]:
        """Return work a second of a core that is alone, and of one of all, between the sizes measured."""
        rates = []
        for seconds in (self.core, self.node):
            at = [w / s for w, s in zip(self.work, seconds, strict=True)]
            rates.append(_between(self.work, at, work))
        return rates[0], rates[1]

    def without(self, index: int) -> "Rates":
        """Return the rates without one size, which they then have to foretell."""
        kept = [i for i in range(len(self.work)) if i != index]
        work, core, node = (tuple(each[i] for i in kept) for each in (self.work, self.core, self.node))
        return replace(self, work=work, core=core, node=node)


def _between(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Return y at x on the line through the points, x logarithmic; beyond the ends it stays."""
    for (x0, y0), (x1, y1) in zip(zip(xs, ys, strict=True), list(zip(xs, ys, strict=True))[1:], strict=False):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * math.log(x / x0) / math.log(x1 / x0)
    return ys[0] if x < xs[0] else ys[-1]


@dataclass(frozen=True)
class Model:
    """All figures of a machine by their names, as distance.node.latency, and the kernels' rates."""

    name: str
    figures: Mapping[str, Figure]
    kernels: Mapping[str, Rates]

    def __getitem__(self, name: str) -> float:
        return self.figures[name].value

    def what_if(self, factors: Mapping[str, float]) -> "Model":
        """Return the machine with figures times a factor each: by a figure's name, or a word for several."""
        figures, kernels = dict(self.figures), dict(self.kernels)
        for word, factor in factors.items():
            pattern = TOGETHER.get(word, word)
            for name, figure in figures.items():
                if fnmatchcase(name, pattern):
                    figures[name] = replace(figure, value=figure.value * factor)
            if word in COMPUTING:
                kernels = {
                    kernel: replace(
                        own,
                        core=tuple(s / factor for s in own.core),
                        node=tuple(s / factor for s in own.node),
                    )
                    for kernel, own in kernels.items()
                }
        return replace(self, figures=figures, kernels=kernels)

    def table(self) -> dict[str, Any]:
        """Return the machine as JSON holds it."""
        return {
            "name": self.name,
            "figures": {
                name: {"value": f.value, "from": f.origin, "source": f.source}
                for name, f in self.figures.items()
            },
            "kernels": {
                name: {
                    "work": list(k.work),
                    "core": list(k.core),
                    "node": list(k.node),
                    "from": k.origin,
                    "source": k.source,
                }
                for name, k in self.kernels.items()
            },
        }


def factors(text: str) -> dict[str, float]:
    """Return the factors of --what-if, as latency=0.5,injection=2. Raises Refusal."""
    found = {}
    for part in filter(None, text.split(",")):
        word, _, value = part.partition("=")
        if word not in TOGETHER and word not in UNITS:
            raise Refusal(
                "--what-if", f"there is no {word!r}", f"use {', '.join(TOGETHER)}, or a figure's name"
            )
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise Refusal("--what-if", f"{part!r} has no factor", "write latency=0.5")
        found[word] = number
    return found


def read(given: str | Path) -> Model:
    """Return the machine in a TOML file, a shipped one by its name, or one that `prk-bench machine` wrote.

    Raises Refusal naming file and figure.
    """
    path = Path(given)
    if not path.exists() and (SHIPPED / f"{given}.toml").is_file():
        path = SHIPPED / f"{given}.toml"
    try:
        table = json.loads(path.read_text()) if path.suffix == ".json" else tomllib.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.toml")))
        works = f"use a machine's file, or a shipped one: {known}"
        raise Refusal("--machine", f"{given} cannot be read ({error})", works) from None
    if path.suffix == ".json":
        if not isinstance(table, dict) or not isinstance(table.get("model"), dict):
            raise Refusal("--machine", f"{given} has no model", "measure again: prk-bench machine --out FILE")
        return _of(table["model"]["name"], table["model"]["figures"], table["model"]["kernels"], path.name)
    figures = dict(_flat({k: v for k, v in table.items() if k not in ("name", "kernels")}))
    return _of(table.get("name", path.stem), figures, table.get("kernels", {}), path.name)


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and "value" not in value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _of(name: Any, figures: Mapping[str, Any], kernels: Mapping[str, Any], source: str) -> Model:
    """Return the machine of these tables. Raises Refusal unless all figures are there with their sources."""
    unknown = sorted(figures.keys() - UNITS.keys())
    if unknown:
        raise Refusal(f"{source}: {unknown[0]}", "there is no such figure", f"use {', '.join(UNITS)}")
    found = {}
    for figure in UNITS:
        if figure not in figures:
            raise Refusal(f"{source}: {figure}", "is missing", "say what it is, and from where")
        found[figure] = _figure(figures[figure], f"{source}: {figure}", figure in COUNTS)
    rates = {kernel: _rates(own, f"{source}: kernels.{kernel}") for kernel, own in kernels.items()}
    return Model(str(name), found, rates)


def _figure(given: Any, where: str, whole: bool) -> Figure:
    value = given.get("value") if isinstance(given, dict) else None
    least = 1 if whole else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise Refusal(where, f"{value!r} is no {'count' if whole else 'number'}", "write { value = 1, ... }")
    return Figure(value, *_origin(given, where))


def _origin(given: Mapping[str, Any], where: str) -> tuple[str, str]:
    origin, source = given.get("from"), given.get("source")
    if origin not in ORIGINS:
        raise Refusal(where, f"is from {origin!r}", f"use {', '.join(ORIGINS)}")
    if not isinstance(source, str) or not source:
        raise Refusal(where, "has no source", "say where it stands, or why it is assumed")
    return str(origin), source


def _rates(given: Any, where: str) -> Rates:
    try:
        series = [tuple(map(float, given[key])) for key in ("work", "core", "node")]
    except (KeyError, TypeError, ValueError):
        raise Refusal(where, "has no work, core and node", "measure it: prk-bench machine") from None
    work, core, node = series
    right = len(work) == len(core) == len(node) > 0 and all(0 < v < math.inf for s in series for v in s)
    if not right or sorted(set(work)) != list(work):
        raise Refusal(where, "is no series", "give positive numbers, the work ascending")
    return Rates(work, core, node, *_origin(given, where))
