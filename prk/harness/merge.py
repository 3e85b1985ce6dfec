"""Put sweeps together in a new folder: their points, and all launches of each."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from prk.harness import store
from prk.harness.analyse import results
from prk.harness.plan.points import Plan, Point
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity, mllog


@dataclass
class Merged:
    """The launches of several sweeps, by point: the records, each under the repeat that it gets."""

    to: Store
    points: dict[str, Point] = field(default_factory=dict)
    # How many launches of a point some sweep wanted.
    planned: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[int, bytes]] = field(default_factory=dict)
    # The logs of trainings beside them, by point and repeat.
    logs: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)
    # What has been seen, so that a copy counts once.
    seen: set[str] = field(default_factory=set)
    copies: int = 0
    unused: list[str] = field(default_factory=list)

    def add(self, kept: Store) -> None:
        """Add one sweep: its records keep their repeat where it is free, and fill the free ones where not."""
        plan = kept.plan()
        loaded = results.load(kept, plan)
        self.unused += [f"{kept.folder / 'records' / name}: {why}" for name, why in loaded.problems]
        for point in plan.points:
            before = self.points.setdefault(point.id, point)
            if before.foreign != point.foreign:
                raise Refusal(
                    str(kept.folder), f"its {point.runtime} is another program", "rename one of them"
                )
            self.planned[point.id] = max(self.planned.get(point.id, 0), plan.planned[point.id])
            own = self.records.setdefault(point.id, {})
            for one in sorted(loaded.results[point.id], key=lambda r: r.repeat in own):
                path = kept.path(identity.launch_name(one.point, one.repeat))
                placed = self.place(own, one.repeat, path.read_bytes())
                if placed is not None:
                    self.logs[point.id, placed] = [log.read_bytes() for log in mllog.beside(path)]

    def place(self, own: dict[int, bytes], repeat: int, content: bytes) -> int | None:
        """Put a record where its point has room, and return that repeat; None if it is there already."""
        found = json.loads(content)
        about = found.get("launch", {})
        mark = sha256(json.dumps({**found, "launch": {**about, "repeat": 0}}).encode()).hexdigest()
        if mark in self.seen:
            self.copies += 1
            return None
        self.seen.add(mark)
        if repeat in own:
            repeat = next(r for r in range(len(own) + 1) if r not in own)
            if about:
                about["repeat"] = repeat
                content = (json.dumps(found, indent=1) + "\n").encode()
        own[repeat] = content
        return repeat

    def plan(self, plans: Sequence[Plan]) -> Plan:
        """Return the plan of all: the launches in the first one's order, then what the others add."""
        index = {p: i for i, p in enumerate(self.points)}
        counts = {p: max(self.planned[p], *(r + 1 for r in self.records[p]), 0) for p in index}
        every = [(i, r) for r in range(max(counts.values())) for p, i in index.items() if r < counts[p]]
        first = [(index[plans[0].points[p].id], r) for p, r in plans[0].order]
        there = {(p.kernel, p.runtime) for p in self.points.values()}
        excluded = {json.dumps(e): e for plan in plans for e in plan.excluded}.values()
        return replace(
            plans[0],
            title="; ".join(dict.fromkeys(p.title for p in plans)),
            repeat=max(counts.values()),
            timeout=max(p.timeout for p in plans),
            points=tuple(self.points.values()),
            order=tuple(dict.fromkeys([*first, *every])),
            excluded=tuple(e for e in excluded if (e["kernel"], e["runtime"]) not in there),
            audit=any(p.audit for p in plans),
            split=any(p.split for p in plans),
        )

    def text(self) -> str:
        """Return what came together."""
        number = sum(map(len, self.records.values()))
        copies = f", {self.copies} copies left out" if self.copies else ""
        lines = [f"{self.to.folder}: {len(self.points)} points, {number} records{copies}"]
        return "\n".join([*lines, *(f"  not used: {line}" for line in self.unused)])


def write(sources: Sequence[Store], to: Store) -> Merged:
    """Write the sweeps' points and records into a new folder, whole or not at all. Raises Refusal."""
    if len(sources) < 2:
        raise Refusal("FOLDER", "one sweep is nothing to merge", "name two or more")
    if to.folder.exists():
        raise Refusal("--out", f"{to.folder} exists", "name a new folder")
    merged = Merged(to)
    for one in sources:
        merged.add(one)
    plan = merged.plan([one.plan() for one in sources])
    half = Store(to.folder.with_name(f".{to.folder.name}.{os.getpid()}"))
    try:
        Store.make(half.folder, plan)
        with store.refuse_unwritable(to.folder):
            _fill(half, merged, sources)
            half.folder.rename(to.folder)
    finally:
        shutil.rmtree(half.folder, ignore_errors=True)
    return merged


def _fill(half: Store, merged: Merged, sources: Sequence[Store]) -> None:
    """Write the records, and copy what else belongs to the points: audits, and bounds that all agree on."""
    for point, own in merged.records.items():
        for repeat, content in own.items():
            path = half.path(identity.launch_name(point, repeat))
            path.write_bytes(content)
            for number, log in enumerate(merged.logs[point, repeat], 1):
                mllog.path(path, number).write_bytes(log)
    half.audits.mkdir()
    for audit in _firsts(merged, sources):
        shutil.copy(audit, half.audits)
    bounds = {one.machine.read_bytes() for one in sources if one.machine.is_file()}
    if len(bounds) == 1:
        half.machine.write_bytes(bounds.pop())


def _firsts(merged: Merged, sources: Sequence[Store]) -> Iterator[Any]:
    """Yield the first record of each point's audit."""
    for point in merged.points.values():
        yield from [path for one in sources if (path := one.audit(point)).is_file()][:1]
