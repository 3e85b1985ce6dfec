"""Trainings under MLPerf-style rules as records and logs have them, by what they have in common."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prk.harness.analyse import compliance
from prk.harness.analyse.score import Training
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import mllog
from prk.records import read as record
from prk.records.build import RIGHT

# Parameters by which trainings of one result may differ.
APART = ("seed", "seeds")
# What a table has columns for, and what follows from them.
SHOWN = ("workload", "batch", "ranks", "ranks_per_node")


@dataclass
class Group:
    """The trainings of a workload on a runtime and a layout, with all other parameters alike."""

    workload: str
    runtime: str
    layout: Mapping[str, int]
    parameters: Mapping[str, Any]
    # How many trainings a result takes, and the global batch; 0 where none is right.
    runs: int = 0
    batch: int = 0
    trainings: list[Training] = field(default_factory=list)
    # What makes a result invalid besides, and what a reader must know.
    troubles: list[str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    # What else tells it from the folder's other groups.
    apart: str = ""

    @property
    def label(self) -> str:
        """Return its runtime, with what sets the group apart."""
        return f"{self.runtime} {self.apart}".strip()

    def __str__(self) -> str:
        return f"{self.workload}, batch {self.batch}, {self.label} on {self.layout['ranks']} ranks"


@dataclass(frozen=True)
class Read:
    """What a folder holds: the groups, and the files that are not used, each with the reason."""

    groups: Sequence[Group]
    unused: Sequence[str]


def read(folder: str | Path) -> Read:
    """Return the trainings of a sweep's folder, or of one with single records. Raises Refusal if none."""
    compliance.refuse_without()
    kept = Store(folder)
    place = kept.records if (kept.folder / "plan.json").exists() else kept.folder
    if not place.is_dir():
        raise Refusal(str(folder), "there is no such folder", "name one with records of trainings")
    groups: dict[str, Group] = {}
    unused = []
    for path in sorted(p for p in place.glob("*.json") if p.name[0] != "."):
        try:
            _add(groups, record.read(path), path)
        except ValueError as error:
            unused.append(f"{path.name}: {error}")
        except (KeyError, TypeError, AttributeError) as error:
            unused.append(f"{path.name}: lacks what a record has ({type(error).__name__}: {error})")
    if not groups:
        raise Refusal(
            str(folder), "no training under rules is in it", "train with --rules mlperf --json FILE"
        )
    found = sorted(groups.values(), key=lambda g: (g.workload, g.runtime, g.layout["ranks"], g.batch))
    _set_apart(found)
    return Read(found, unused)


def _set_apart(groups: Sequence[Group]) -> None:
    """Say of each group which other parameters, or which part of the layout, not all of them have."""
    stated = [{**g.layout, **g.parameters} for g in groups]
    names = dict.fromkeys(name for one in stated for name in one if name not in SHOWN)
    varied = [name for name in names if len({json.dumps(one.get(name)) for one in stated}) > 1]
    for group, one in zip(groups, stated, strict=True):
        group.apart = " ".join(f"{name}={one.get(name)}" for name in varied)


def _add(groups: dict[str, Group], found: Mapping[str, Any], path: Path) -> None:
    """Put a record's trainings where they belong. Raises ValueError, KeyError or TypeError if spoilt."""
    parameters = {k: v for k, v in found["parameters"].items() if k not in APART}
    rows = found.get("summary", {}).get("trainings", ())
    if not rows and parameters.get("rules", "none") == "none":
        raise ValueError("has no training under rules")
    if found.get("audit"):
        raise ValueError("is of an audit, whose times are no result")
    runtime = f"{found['runtime']} {found['variant']}".strip()
    layout = {name: int(n) for name, n in found["layout"].items()}
    name = json.dumps([found["kernel"], runtime, layout, found["options"], parameters], sort_keys=True)
    workload = str(parameters.get("workload", found["kernel"]))
    own = Group(workload, runtime, layout, parameters)
    trainings = list(_trainings(own, rows, path)) if found["status"] in RIGHT else []
    group = groups.setdefault(name, own)
    if not trainings:
        group.troubles.append(f"{path.name} is {found['status']}: {found['reason']}")
        return
    group.workload, group.runs, group.batch = own.workload, own.runs, own.batch
    group.trainings += trainings
    group.notes |= dict.fromkeys(map(str, found["warnings"]))


def _trainings(own: Group, rows: Sequence[Mapping[str, Any]], path: Path) -> Iterator[Training]:
    """Yield a record's trainings; tell the group what they have in common."""
    for number, row in enumerate(rows, 1):
        seconds, epochs = (
            math.inf if row[name] is None else float(row[name]) for name in ("seconds", "epochs")
        )
        rate, initialisation, begun = (float(row[n]) for n in ("samples/s", "initialisation", "begun"))
        if not (seconds > 0 and epochs > 0 and math.isinf(seconds) == math.isinf(epochs)):
            raise ValueError(f"has a strange training {number}")
        if not all(0 <= value < math.inf for value in (rate, initialisation, begun)) or int(row["runs"]) < 3:
            raise ValueError(f"has a strange training {number}")
        own.workload, own.runs = str(row["workload"]), int(row["runs"])
        own.batch = int(row["global_batch_size"])
        wrong = compliance.wrong(mllog.path(path, number), row)
        yield Training(int(row["seed"]), seconds, epochs, rate, initialisation, begun + initialisation, wrong)
