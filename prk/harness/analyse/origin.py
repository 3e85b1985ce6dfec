"""Where a sweep's launches ran and by what: machines and versions are told, and never pooled."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prk.records import placement

VERSION = re.compile(r"\d\.\d")
# What a launcher tells each process of itself is no setting.
OWN = re.compile(r"_(RANK|SIZE|RANKS|PREFIXES|PROCID|LOCALID|JOB_?ID|num_procs)$", re.IGNORECASE)
LONGEST = 200
# Between the name of a fact and the runtime that states it.
OF = " of "


@dataclass
class Origin:
    """One machine with one set of versions, and what its launches say of how they were made."""

    # What makes it one: each fact has one value.
    facts: dict[str, str] = field(default_factory=dict)
    launches: set[tuple[str, int]] = field(default_factory=set)
    # What may differ: the values of a name, each with the runtimes that it was seen on ...
    seen: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    # ... the least and the largest value of a name, and a command of each runtime.
    spans: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)

    def add(self, runtime: str, record: Mapping[str, Any]) -> None:
        """Keep what one launch says of how it was made."""
        environment = record["environment"]
        variables = {k: v[:LONGEST] for k, v in environment.get("variables", {}).items() if not OWN.search(k)}
        hosts = [("hosts", host) for host in placement.hosts(record["placement"])]
        for name, value in [*hosts, ("binding", binding(record["placement"])), *variables.items()]:
            self.seen.setdefault(name, {}).setdefault(value, set()).add(runtime)
        spans = {
            "finished": record["finished"],
            "free memory": environment.get("memory"),
            "warm-up": record.get("warmup_seconds"),
        }
        for name, value in spans.items():
            if value is not None:
                low, high = self.spans.get(name, (value, value))
                self.spans[name] = min(low, value), max(high, value)
        self.commands.setdefault(runtime, record.get("launch", {}).get("command") or " ".join(record["argv"]))


def binding(places: Sequence[Mapping[str, Any]]) -> str:
    """Return on how many cpus each member could run, as a record's placement says."""
    cpus = {len(placement.numbers(own)) for row in places for own in row["cpus"]}
    shared = [len(placement.numbers(ranks)) for row in places for ranks in row["cpus"].values()]
    if not cpus:
        return "not stated"
    wide = f"{min(cpus)}" if len(cpus) == 1 else f"{min(cpus)} to {max(cpus)}"
    noun = "cpu" if cpus == {1} else "cpus"
    return f"{wide} {noun} {'a member' if max(shared) == 1 else f'shared by {max(shared)} members'}"


def place(found: list[Origin], launch: tuple[str, int], runtime: str, record: Mapping[str, Any]) -> None:
    """Add a launch to the first place that it can be from, or to a new one.

    Launches belong together where no fact that both state differs: other programs state less.
    """
    facts = _facts(runtime, record)
    same = (o for o in found if all(o.facts.get(k, v) == v for k, v in facts.items()))
    own = next(same, None)
    if own is None:
        own = Origin()
        found.append(own)
    own.facts |= facts
    own.launches.add(launch)
    own.add(runtime, record)


def _facts(runtime: str, record: Mapping[str, Any]) -> dict[str, str]:
    """Return what must be equal for launches to be repeats of one another, as far as a record states it."""
    environment, git = record["environment"], record["environment"].get("git") or {}
    commit = git.get("commit") and f"{git['commit'][:12]}{', with changes' if git.get('dirty') else ''}"
    named = {
        "processor": environment.get("cpu"),
        "cores": environment.get("cores"),
        "frequency governor": environment.get("governor"),
        "system": environment.get("system"),
        "prk": record["prk"],
        "commit": commit,
        **{k: environment.get(k) for k in ("python", "numpy", "numba", "llvmlite")},
    }
    # A library's version, not an address or a count: those are a launch's own.
    versions = {
        f"{name}{OF}{runtime}": re.split(r"[,\n]", value)[0]
        for name, value in record.get("communication", {}).items()
        if isinstance(value, str) and VERSION.search(value) and "://" not in value
    }
    return {k: str(v) for k, v in (named | versions).items() if v not in (None, "")}


def common(
    found: Sequence[Origin], points: Collection[str], runtimes: Collection[str]
) -> dict[str, list[str]]:
    """Return the values of every fact of these points' launches, and of their runtimes' libraries."""
    facts: dict[str, set[str]] = {}
    for number, one in enumerate(found, 1):
        if any((p if number == 1 else f"{p}-{number}") in points for p, _ in one.launches):
            for name, value in one.facts.items():
                name, _, runtime = name.partition(OF)
                if not runtime or runtime in runtimes:
                    facts.setdefault(name, set()).add(value)
    return {name: sorted(values) for name, values in facts.items()}


def told(found: Sequence[Origin]) -> list[str]:
    """Return what sets each place apart from the first one, a line each."""
    lines = []
    for number, one in enumerate(found[1:], 2):
        first = found[0].facts
        odd = [f"{k} {v}, not {first[k]}" for k, v in one.facts.items() if first.get(k, v) != v]
        lines.append(f"[{number}] {len(one.launches)} launches: {'; '.join(odd)}")
    return lines
