"""Where a sweep's launches ran and by what: machines and versions are told, and never pooled."""

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prk.harness.analyse import rows
from prk.harness.analyse.results import Loaded
from prk.harness.analyse.rows import Opened, Row
from prk.records import identity, placement, read
from prk.records.build import RIGHT

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


def origins(sweep: Opened) -> list[Origin]:
    """Return where the right launches of a sweep come from, the one with most of them first.

    Launches belong together where no fact that both state differs: other programs state less.
    """
    found: list[Origin] = []
    for point in sweep.plan.points:
        for one in sweep.loaded.results[point.id]:
            if one.status in RIGHT:
                path = sweep.kept.path(identity.launch_name(point.id, one.repeat))
                # It may have been moved aside since it was loaded.
                with contextlib.suppress(ValueError):
                    _place(found, (point.id, one.repeat), point.runtime, read.read(path))
    return sorted(found, key=lambda o: -len(o.launches))


def _place(found: list[Origin], launch: tuple[str, int], runtime: str, record: Mapping[str, Any]) -> None:
    """Add a launch to the first place that it can be from, or to a new one."""
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


def placed(sweep: Opened) -> tuple[Opened, list[Origin]]:
    """Return a sweep whose rows are each of one place, and the places."""
    found = origins(sweep)
    return replace(sweep, rows=apart(sweep, found)), found


def apart(sweep: Opened, found: Sequence[Origin]) -> list[Row]:
    """Return the sweep's rows; a point that was measured in several places has a row for each of them."""
    if len(found) < 2:
        return sweep.rows
    plan, loaded = sweep.plan, sweep.loaded
    elsewhere = set[tuple[str, int]]().union(*(one.launches for one in found[1:]))
    # What failed has no place: it stays with the first one.
    first = {p: [r for r in own if (p, r.repeat) not in elsewhere] for p, own in loaded.results.items()}
    moved = Counter(p for p, _ in elsewhere)
    made = [
        replace(row, planned=row.planned - moved[row.point.id])
        for row in rows.rows(plan, replace(loaded, results=first), sweep.machine)
    ]
    for number, one in enumerate(found[1:], 2):
        points = {p for p, _ in one.launches}
        own = {p: [r for r in loaded.results[p] if (p, r.repeat) in one.launches] for p in points}
        some = replace(plan, points=tuple(p for p in plan.points if p.id in points), order=())
        made += [_placed(row, number) for row in rows.rows(some, Loaded(own, []), sweep.machine)]
    order = {p.id: place for place, p in enumerate(plan.points)}
    return sorted((r for r in made if r.planned), key=lambda row: order[row.point.id.partition("-")[0]])


def _placed(row: Row, number: int) -> Row:
    """Return a row as one of another place than the first, which stands beside its runtime."""
    variant = f"{row.point.variant} [{number}]".strip()
    point = replace(row.point, id=f"{row.point.id}-{number}", variant=variant)
    return replace(row, point=point, planned=row.counts.total())


def label(row: Row) -> str:
    """Return a row's label without its place."""
    return re.sub(r" \[\d+\]$", "", row.point.label)


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
