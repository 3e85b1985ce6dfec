"""A folder with a sweep: its plan, a record a launch, logs of what went wrong, figures, the page."""

import contextlib
import fcntl
import itertools
import json
import math
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from prk.harness.plan.points import Plan, Point
from prk.problem import Refusal
from prk.records import identity, mllog, write
from prk.records import read as record
from prk.records.build import RIGHT, STATES
from prk.run import reason, registry, split

# Cpus and ranks as a record lists them: 0-3,8.
RANGES = re.compile(r"(\d+(-\d+)?(,\d+(-\d+)?)*)?")
FAILURE = ("detection", "agreement", "repair", "restore", "repeated")
LOAD = ("work", "seconds", "balancing")
FAILED = ("failed", "timeout", "oom", "cancelled", "invalid")


@dataclass(frozen=True, slots=True)
class Result:
    """What statistics and tables need of one record."""

    point: str
    repeat: int
    status: str
    reason: str | None
    # Every metric's values by its name; none unless the answer is right.
    values: Mapping[str, tuple[float, ...]]
    conforming: bool
    warnings: tuple[str, ...]
    table: tuple[Mapping[str, Any], ...] = ()
    # Of each rank, the seconds of a repetition by what it did; none unless they were asked for.
    split: tuple[Mapping[str, float], ...] = ()
    # The lists of the summary that figures are drawn from.
    lists: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    # What befell a run that was to outlive it, also of one that did not.
    faults: Mapping[str, Any] | None = None
    # How the load lay in each sample, and which part of its time went into balancing it.
    balance: tuple[Mapping[str, Any], ...] = ()


class Store:
    """The folder; all of its files are written whole or not at all."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.records = self.folder / "records"
        self.audits = self.folder / "audits"
        self.logs = self.folder / "logs"
        self.figures = self.folder / "figures"
        self.machine = self.folder / "machine.json"
        self.roofs = self.folder / "roofs.json"

    @classmethod
    def make(cls, folder: str | Path, plan: Plan) -> "Store":
        """Make the folder and write the plan into it. Raises Refusal if it holds one or cannot be written."""
        store = cls(folder)
        if (store.folder / "plan.json").exists():
            raise Refusal(
                str(folder),
                "it holds a sweep already",
                "prk-bench continue runs what it lacks; or name another --out",
            )
        with refuse_unwritable(store.folder):
            store.make_folders()
            write.write(plan.table(), store.folder / "plan.json")
        return store

    def make_folders(self) -> None:
        """Make what launches write into; a copy by Git lacks folders that were empty."""
        self.records.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)

    def plan(self) -> Plan:
        """Return the plan. Raises Refusal if the folder holds none."""
        path = self.folder / "plan.json"
        if not path.is_file():
            raise Refusal(str(self.folder), "it holds no sweep", "name a folder that prk-bench run wrote")
        try:
            return Plan.of(json.loads(path.read_text()))
        except (OSError, ValueError, RecursionError) as error:
            raise Refusal(str(path), f"cannot be used: {error}", "it is written by prk-bench run") from None

    def change(self, plan: Plan) -> Plan:
        """Write another plan over the folder's; it is to be locked."""
        with refuse_unwritable(self.folder):
            write.replace(self.folder / "plan.json", (json.dumps(plan.table(), indent=1) + "\n").encode())
        return plan

    def path(self, name: str) -> Path:
        """Return where the record of the launch called `name` stands."""
        return self.records / f"{name}.json"

    def audit(self, point: Point) -> Path:
        """Return where the record of a point's audit stands."""
        return self.audits / f"{point.id}.json"

    def log(self, name: str) -> Path:
        """Return the stem of the launch's logs, which end in .out and .err."""
        return self.logs / name

    def forget_log(self, name: str) -> None:
        """Remove the logs of a launch that went well."""
        for ending in (".out", ".err"):
            self.log(name).with_suffix(ending).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """Return the names of the launches that have a record."""
        with contextlib.suppress(FileNotFoundError):
            return {
                e.name[:-5] for e in os.scandir(self.records) if e.name.endswith(".json") and e.name[0] != "."
            }
        return set()

    def set_aside(self, name: str) -> None:
        """Move a record, and its point's audit, out of the way of what repeats it; both are kept."""
        for log in mllog.beside(self.path(name)):
            self.move_aside(log)
        self.move_aside(self.path(name))
        audit = self.audits / f"{identity.launch_of(name)[0]}.json"
        if audit.exists():
            self.move_aside(audit)

    def move_aside(self, path: Path) -> None:
        """Move a file of the sweep, whatever it is, out of the way; it is kept under superseded/."""
        aside = self.folder / "superseded"
        aside.mkdir(exist_ok=True)
        names = (aside / f"{path.stem}.{number}{path.suffix}" for number in itertools.count(1))
        path.rename(next(n for n in names if not os.path.lexists(n)))

    def tidy(self, todo: Set[str]) -> None:
        """Remove the halves of records that a killed program left: of `todo`, and of all that is whole."""
        for entry in os.scandir(self.records):
            name = entry.name[1:].partition(".")[0]
            if entry.name[0] == "." and (name in todo or self.whole(name)):
                Path(entry.path).unlink(missing_ok=True)

    def whole(self, name: str) -> bool:
        """Tell whether a record is more than an empty file, which holds a name where there are no links."""
        with contextlib.suppress(OSError):
            return self.path(name).stat().st_size > 0
        return False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second harness out while this one launches. Raises Refusal if there is one already."""
        with refuse_unwritable(self.folder):
            self.make_folders()
            lock = (self.folder / ".lock").open("a+")
        with lock:
            if not _lock(lock, self.folder):
                raise Refusal(str(self.folder), "another prk-bench runs this sweep", "wait for it, or end it")
            with refuse_unwritable(self.folder):
                lock.truncate(0)
                lock.write(_process(os.getpid()))
                lock.flush()
            yield


def _lock(lock: IO[str], folder: Path) -> bool:
    """Lock an open file; tell whether nobody else has. Where there are no locks, the file says who does."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        lock.seek(0)
        other = lock.read()
        if any(other == _process(pid) for pid in other.split()[1:2]):
            return False
        why = f"no locks here ({error.strerror}); see that no other machine runs this sweep"
        print(f"prk-bench: warning: {folder}: {why}", file=sys.stderr)
    return True


def _process(pid: int | str) -> str:
    """Return what tells a living process of this machine from all others: host, number, and when it began."""
    try:
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        began = "gone"
    return f"{platform.node()} {pid} {began}"


def read(path: Path, point: Point, repeat: int) -> Result:
    """Return the result in a launch's record. Raises ValueError saying what is wrong with the file."""
    return read_whole(path, point, repeat)[0]


def read_whole(path: Path, point: Point, repeat: int) -> tuple[Result, Mapping[str, Any]]:
    """Return the result in a launch's record, and the record. Raises ValueError as `read` does."""
    # A pipe or a device would keep its reader waiting.
    if not path.is_file():
        raise ValueError("is no file")
    try:
        found = record.read(path)
        return _result(found, point, repeat), found
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"lacks what a record has ({type(error).__name__}: {error})") from None
    except RecursionError:
        raise ValueError("is nested too deeply for a record") from None


def _result(found: Mapping[str, Any], point: Point, repeat: int) -> Result:
    """Return the result if the record is of the launch that it is named after."""
    odd = _contradiction(found, point)
    if odd:
        raise ValueError(f"contradicts its name: {odd}")
    if found.get("launch", {}).get("repeat", repeat) != repeat:
        raise ValueError(f"contradicts its name: it is repeat {found['launch']['repeat']}")
    if found["status"] not in STATES:
        raise ValueError(f"has the unknown status {found['status']!r}")
    right = found["status"] in RIGHT
    if right and not (found["samples"] and min(float(s["max"]) for s in found["samples"]) > 0):
        raise ValueError(f"is {found['status']} but has no samples")
    values = {name: tuple(map(float, m["values"])) for name, m in found["metrics"].items()} if right else {}
    first = values.get(point.metric.name, ())
    # What missed its target may have no time to it.
    if (found["status"] == "ok" and not first) or not all(0 < v < float("inf") for v in first):
        raise ValueError(f"is {found['status']} but states no {point.metric.name}")
    if not all(map(math.isfinite, itertools.chain(*values.values()))):
        raise ValueError("states a metric that is no number")
    table = found.get("table", []) if right else []
    drawn = dict.fromkeys(c.source for c in registry.problem_class(point.kernel).curves if c.source)
    lists = {name: found.get("summary", {}).get(name, []) if right else [] for name in drawn}
    _refuse_odd(found, {"": table, **lists}, point.kernel)
    return Result(
        point.id,
        repeat,
        found["status"],
        found["reason"] and reason.plain(found["reason"]),
        values,
        bool(found["conforming"]),
        tuple(map(reason.plain, found["warnings"])),
        tuple(table),
        tuple(_means(part) for part in found.get("split", {}).get("ranks", ())) if right else (),
        {name: tuple(several) for name, several in lists.items()},
        _faults(found.get("faults")),
        _balance(found) if right else (),
    )


def _faults(found: Any) -> Mapping[str, Any] | None:
    """Return what befell a run. Raises ValueError if it cannot be drawn."""
    if found is None:
        return None
    times = [found[n] for n in ("checkpoint_seconds", "repetition_seconds", "useful", "checkpoints", "died")]
    times += [found["mtbf"] or 0, *(f[part] or 0 for f in found["failures"] for part in FAILURE)]
    if not all(0 <= float(seconds) < math.inf for seconds in times):
        raise ValueError("has strange faults")
    return dict(found)


def _balance(found: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return how the load lay in each sample. Raises ValueError if it cannot be drawn."""
    held = []
    for one, sample in zip(found.get("balance", ()), found["samples"], strict=False):
        periods = one["periods"]
        numbers = [value for p in periods for name in LOAD for value in p[name].values()]
        numbers += [p[name] for p in periods for name in ("repetition", "moved", "held")]
        if not all(0 <= float(value) < math.inf for value in numbers):
            raise ValueError("has a strange balance")
        # Where it takes longest, most of it is waiting for those who still compute.
        lost = sum(p["balancing"]["min"] for p in periods)
        held.append({**one, "lost": lost / (sample["max"] * found["parameters"]["iterations"])})
    return tuple(held)


def _means(part: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean seconds by what a rank did. Raises ValueError if they cannot be drawn."""
    means = {name: float(part[name]["mean"]) for name in split.Parts._fields}
    if not all(0 <= seconds < math.inf for seconds in means.values()) or not sum(means.values()) > 0:
        raise ValueError("has a strange split")
    return means


def _refuse_odd(found: Mapping[str, Any], tables: Mapping[str, Any], kernel: str) -> None:
    """Raise ValueError for what tables, figures and pages would stumble over."""
    where, problem = found["environment"], registry.problem_class(kernel)
    number = (int, float, type(None))
    kinds: list[tuple[Mapping[str, Any], str, Any]] = [
        *((found, name, str) for name in ("prk", "finished")),
        *((found, name, list) for name in ("warnings", "argv", "placement")),
        *((found, name, dict) for name in ("launch", "communication") if name in found),
        (found, "warmup_seconds", number),
        (where, "memory", number),
        (where, "git", (dict, type(None))),
        *((where.get("variables", {}), name, str) for name in where.get("variables", {})),
        *((host, name, int) for row in found["placement"] for host in [row["hosts"]] for name in host),
        # What a kernel's figures are drawn from.
        *((row, name, number) for c in problem.curves for name in (c.x, c.y) for row in tables[c.source]),
        *((row, c.limit, number) for c in problem.curves if c.limit for row in tables[""]),
        *((row, one.value, number) for one in problem.maps for row in tables[""]),
    ]
    for one, name, kind in kinds:
        if not isinstance(one.get(name), kind):
            raise ValueError(f"has a strange {name}")
    if not all(
        RANGES.fullmatch(text) for row in found["placement"] for pair in row["cpus"].items() for text in pair
    ):
        raise ValueError("has a strange placement")


def _contradiction(found: Mapping[str, Any], point: Point) -> str:
    """Return where a record differs from its point, by what both of them state, or nothing.

    The hash need not be the same: older schemas made another one of less.
    """
    for name in ("kernel", "version", "runtime"):
        if found[name] != getattr(point, name):
            return f"its {name} is {found[name]}, and the plan's {getattr(point, name)}"
    for group in ("layout", "parameters", "options"):
        planned = getattr(point, group)
        for name, value in found[group].items():
            if name in planned and planned[name] != value:
                return f"its {name} is {value}, and the plan's {planned[name]}"
    return ""


@contextlib.contextmanager
def refuse_unwritable(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one line."""
    try:
        yield
    except OSError as error:
        raise Refusal(
            str(path), f"cannot be written ({error.strerror})", "use a folder with room that you can write"
        ) from None
