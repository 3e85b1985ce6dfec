"""A folder with a sweep: its plan, a record a launch, logs of what went wrong, figures, the page."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prk import record
from prk.harness.plan import Plan
from prk.problem import Refusal

FAILED = ("failed", "timeout", "oom", "cancelled", "invalid")


@dataclass(frozen=True, slots=True)
class Result:
    """What statistics and tables need of one record."""

    point: str
    repeat: int
    status: str
    reason: str | None
    seconds: tuple[float, ...]
    conforming: bool
    warnings: tuple[str, ...]
    table: tuple[Mapping[str, Any], ...] = ()


class Store:
    """The folder; all of its files are written whole or not at all."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.records = self.folder / "records"
        self.logs = self.folder / "logs"
        self.figures = self.folder / "figures"
        self.machine = self.folder / "machine.json"

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
            store.records.mkdir(parents=True, exist_ok=True)
            store.logs.mkdir(exist_ok=True)
            record.write(plan.table(), store.folder / "plan.json")
        return store

    def plan(self) -> Plan:
        """Return the plan. Raises Refusal if the folder holds none."""
        path = self.folder / "plan.json"
        try:
            return Plan.of(json.loads(path.read_text()))
        except OSError:
            raise Refusal(
                str(self.folder), "it holds no sweep", "name a folder that prk-bench run wrote"
            ) from None
        except ValueError as error:
            raise Refusal(str(path), f"cannot be used: {error}", "it is written by prk-bench run") from None

    def path(self, name: str) -> Path:
        """Return where the record of the launch called `name` stands."""
        return self.records / f"{name}.json"

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
        """Move a record out of the way of the launch that repeats it; it is kept."""
        aside = self.folder / "superseded"
        aside.mkdir(exist_ok=True)
        number = sum(1 for _ in aside.glob(f"{name}.*.json")) + 1
        self.path(name).rename(aside / f"{name}.{number}.json")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second harness out while this one launches. Raises Refusal if there is one already."""
        with refuse_unwritable(self.folder), (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refusal(
                    str(self.folder), "another prk-bench runs this sweep", "wait for it, or end it"
                ) from None
            yield


@dataclass(frozen=True)
class Loaded:
    """The results of a sweep, and the files that are no records of it, each with the reason."""

    results: dict[str, list[Result]]
    problems: list[tuple[str, str]]
    # The reasons of launches that a batch job should have started and ended without, by point.
    never_started: dict[str, list[str]] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """Return how many launches have each status."""
        return Counter(r.status for several in self.results.values() for r in several)


def load(store: Store, plan: Plan) -> Loaded:
    """Read every record of the store; none is lost silently and none stops the others."""
    points = {p.id for p in plan.points}
    results: dict[str, list[Result]] = {p: [] for p in points}
    problems = []
    names = store.names()
    for name in sorted(names):
        try:
            found = read(store.path(name), points)
        except ValueError as error:
            problems.append((f"{name}.json", str(error)))
        else:
            results[found.point].append(found)
    from prk.harness.slurm import journal

    never: dict[str, list[str]] = {}
    for name, reason in journal.never_started(store, names).items():
        never.setdefault(name.partition("-")[0], []).append(reason)
    return Loaded(results, problems, never)


def read(path: Path, points: set[str]) -> Result:
    """Return one record's result. Raises ValueError saying what is wrong with the file."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("is truncated, or no JSON") from None
    if not isinstance(found, dict) or "schema" not in found:
        raise ValueError("is no record")
    if found["schema"] != record.VERSION:
        raise ValueError(f"has schema {found['schema']}, and this prk reads {record.VERSION}")
    try:
        return _result(found, path.stem, points)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"lacks what a record has ({type(error).__name__}: {error})") from None


def _result(found: dict[str, Any], name: str, points: set[str]) -> Result:
    """Return the result if the record is what the name of its file says, and of this sweep."""
    point, _, repeat = name.partition("-")
    if found["point"] != point or record.point_id(found) != point:
        raise ValueError(f"contradicts its name: it is of point {record.point_id(found)}")
    if not repeat.isdigit() or found.get("launch", {}).get("repeat", int(repeat)) != int(repeat):
        raise ValueError(f"contradicts its name: it is repeat {found.get('launch', {}).get('repeat')}")
    if point not in points:
        raise ValueError("is of a point that the plan does not have")
    if found["status"] not in record.STATES:
        raise ValueError(f"has the unknown status {found['status']!r}")
    seconds = tuple(float(s["max"]) for s in found["samples"])
    if found["status"] == "ok" and not (seconds and min(seconds) > 0):
        raise ValueError("is ok but has no samples")
    return Result(
        point,
        int(repeat),
        found["status"],
        found["reason"],
        seconds if found["status"] == "ok" else (),
        bool(found["conforming"]),
        tuple(found["warnings"]),
        tuple(found.get("table", ())) if found["status"] == "ok" else (),
    )


@contextlib.contextmanager
def refuse_unwritable(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one line."""
    try:
        yield
    except OSError as error:
        raise Refusal(
            str(path), f"cannot be written ({error.strerror})", "use a folder with room that you can write"
        ) from None


def replace(path: Path, content: bytes) -> None:
    """Write a file that may replace an older one, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
