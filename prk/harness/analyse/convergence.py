"""Files of reference convergence points: made from records of trainings, and read back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prk.harness.analyse import rcp, trainings
from prk.harness.analyse.rcp import FULL, TRIMMED, Point
from prk.harness.analyse.trainings import Group
from prk.problem import Refusal
from prk.records import build, write
from prk.records.read import parsed

SCHEMA = 1


@dataclass(frozen=True)
class Reference:
    """The epochs of the reference's runs by workload and batch, and which standard deviation counts."""

    epochs: Mapping[tuple[str, int], tuple[float, ...]]
    std: str

    def points(self, workload: str, std: str = "") -> list[Point]:
        """Return a workload's points."""
        own = [(batch, values) for (name, batch), values in self.epochs.items() if name == workload]
        return [rcp.point(batch, values, std or self.std) for batch, values in own]


def save(folder: str | Path, path: str, std: str) -> str:
    """Write what a folder's trainings make to a new file; return what it holds. Raises Refusal."""
    found = trainings.read(folder)
    refuse(found.groups)
    made = table(found.groups, std)
    write.refuse("--out", path)
    write.write(made, path)
    lines = [
        f"  {p['workload']}, batch {p['batch']}: mean {p['mean']:.3f}, standard deviation "
        f"{p['deviation']:.3f}, {len(p['epochs'])} runs, at least {p['least_mean']:.3f} epochs"
        f"{', pruned' if p['pruned'] else ''}"
        for p in made["points"]
    ]
    said = f"{path}: reference convergence points, {std} standard deviation"
    return "\n".join([said, *lines, *(f"Note: {note}." for note in made["notes"])])


def refuse(groups: Sequence[Group]) -> None:
    """Raise Refusal if the groups make no points: too few runs, missed or invalid ones, two ways to train."""
    seen: dict[tuple[str, int], Group] = {}
    for group in groups:
        if group.troubles:
            raise Refusal(str(group), group.troubles[0], "a reference is made of right runs only")
        before = seen.setdefault((group.workload, group.batch), group)
        if before is not group:
            raise Refusal(str(group), f"{before} is there too", "name a folder with one way to train a batch")
        missed = sum(t.missed for t in group.trainings)
        if missed:
            raise Refusal(str(group), f"{missed} runs missed the target", "train for more --epochs")
        wrong = [f"seed {t.seed}: {wrong}" for t in group.trainings for wrong in t.wrong]
        if wrong:
            raise Refusal(str(group), wrong[0], "a reference is made of right runs only")
        seeds = len({t.seed for t in group.trainings})
        if seeds < 2 * group.runs:
            raise Refusal(
                str(group), f"{seeds} seeds are too few", f"a point takes {2 * group.runs}: --seeds"
            )
        if seeds < len(group.trainings):
            raise Refusal(str(group), "some seeds are there twice", "name a folder with each seed once")


def table(groups: Sequence[Group], std: str) -> dict[str, Any]:
    """Return the file's content."""
    points = []
    for workload in dict.fromkeys(g.workload for g in groups):
        own = [g for g in groups if g.workload == workload]
        made = [rcp.point(g.batch, [t.epochs for t in g.trainings], std) for g in own]
        kept = rcp.pruned(made, own[0].runs)
        points += [
            {
                "workload": workload,
                "batch": g.batch,
                "parameters": dict(g.parameters),
                "seeds": [t.seed for t in g.trainings],
                "epochs": [t.epochs for t in g.trainings],
                "mean": p.mean,
                "deviation": p.deviation,
                "least_mean": rcp.least(p, g.runs),
                "pruned": p not in kept,
            }
            for g, p in zip(own, made, strict=True)
        ]
    notes = list(dict.fromkeys(note for g in groups for note in g.notes))
    return {"schema": SCHEMA, "prk": build.prk_version(), "std": std, "notes": notes, "points": points}


def read(path: str) -> Reference:
    """Return the reference in a file. Raises Refusal naming the file."""
    works = "prk-bench rcp make writes one"
    found = parsed(path, works)
    try:
        if found["schema"] != SCHEMA:
            raise ValueError(f"it has schema {found['schema']}, this prk reads {SCHEMA}")
        if found["std"] not in (TRIMMED, FULL):
            raise ValueError(f"its std is {found['std']!r}")
        points: dict[tuple[str, int], tuple[float, ...]] = {}
        for row in found["points"]:
            key = str(row["workload"]), int(row["batch"])
            epochs = tuple(map(float, row["epochs"]))
            if key in points or len(epochs) < 3 or not all(0 < e < math.inf for e in epochs):
                raise ValueError(f"its point {key[0]}, batch {key[1]} is there twice, or strange")
            points[key] = epochs
        return Reference(points, str(found["std"]))
    except KeyError as error:
        raise Refusal(path, f"is no file of convergence points (it lacks {error})", works) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise Refusal(path, f"is no file of convergence points ({error})", works) from None
