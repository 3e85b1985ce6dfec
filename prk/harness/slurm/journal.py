"""The jobs of a sweep as its folder remembers them: slurm/jobs.json."""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from prk.harness import store
from prk.harness.execute import campaign, command, verdict
from prk.harness.plan.points import Plan
from prk.harness.slurm import queue
from prk.harness.slurm.site import Site
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import write
from prk.records.text import aligned

VERSION = 1
# What `prk-bench slurm run` ends with when the time limit came near, as timeout(1) does.
OUT_OF_TIME = 124


@dataclass(frozen=True)
class Entry:
    """A job of the sweep: its number (empty: not submitted) and what Slurm last said of it."""

    name: str
    nodes: int
    seconds: int
    launches: tuple[str, ...]
    id: str = ""
    state: str = ""
    reason: str = ""
    code: str = ""
    # The nodes that it had, as Slurm lists them: n[1-4].
    hosts: str = ""
    # Why it ended before its launches did, as it says itself.
    why: str = ""
    # What the longest of its launches is expected to take, in seconds.
    expected: float = 0.0

    @property
    def collects(self) -> bool:
        return not self.launches

    @property
    def live(self) -> bool:
        """Tell whether it may still run something."""
        return bool(self.id) and (not self.state or self.state in queue.LIVE)

    @property
    def ending(self) -> tuple[str, str]:
        """Return the status of what ran when the job ended, and why it ended."""
        who = f"job {self.id} ({self.name})"
        code, _, number = self.code.partition(":")
        if self.why:
            return "failed", f"{who} {self.why}"
        if self.state in ("TIMEOUT", "DEADLINE") or code == str(OUT_OF_TIME):
            return "timeout", f"{who} ran into its time limit"
        if self.state == "OUT_OF_MEMORY":
            return "oom", f"{who} ran out of memory"
        if self.state in ("NODE_FAIL", "BOOT_FAIL"):
            return "failed", f"{who} lost a node"
        if self.state in ("CANCELLED", "PREEMPTED", "REVOKED"):
            return "cancelled", f"{who} was {self.state.lower()}"
        if self.state == "FAILED":
            how = f"exit code {code}" if number in ("", "0") else f"signal {number}"
            return "failed", f"{who} failed with {how}, see slurm/{self.name}.{self.id}.out"
        return "failed", f"{who} ended early ({self.state.lower()}), see slurm/{self.name}.{self.id}.out"


@dataclass(frozen=True)
class Journal:
    """The site that the jobs were made for, and the jobs."""

    site: Site
    jobs: tuple[Entry, ...] = ()

    def write(self, kept: Store) -> None:
        """Write the journal, whole or not at all."""
        table = {"schema": VERSION, "site": self.site.table(), "jobs": [asdict(j) for j in self.jobs]}
        with store.refuse_unwritable(kept.folder):
            write.replace(path(kept), (json.dumps(table, indent=1) + "\n").encode())

    def job(self, name: str) -> Entry:
        """Return the job called `name`. Raises Refusal."""
        for one in self.jobs:
            if one.name == name:
                return one
        raise Refusal(name, "the sweep has no such job", f"use one of {', '.join(j.name for j in self.jobs)}")


def path(kept: Store) -> Path:
    return kept.folder / "slurm" / "jobs.json"


def read(kept: Store) -> Journal | None:
    """Return the journal, or None if the sweep was never made into jobs. Raises Refusal if it is spoilt."""
    try:
        table = json.loads(path(kept).read_text())
        if table["schema"] != VERSION:
            raise ValueError(f"it has schema {table['schema']}, this prk reads {VERSION}")
        jobs = tuple(Entry(**{**j, "launches": tuple(j["launches"])}) for j in table["jobs"])
        return Journal(Site.of(table["site"]), jobs)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(
            str(path(kept)), f"cannot be used: {error}", "it is written by prk-bench slurm submit"
        ) from None


@contextlib.contextmanager
def locked(kept: Store) -> Iterator[None]:
    """Keep others from changing the journal: a job that collects may do so while somebody looks."""
    with store.refuse_unwritable(kept.folder):
        path(kept).parent.mkdir(exist_ok=True)
        lock = (path(kept).parent / ".lock").open("w")
    with lock:
        # A file system without locks has to do without.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def claim(kept: Store, name: str, number: str) -> Journal:
    """Note that job `number` runs the launches of the job called `name`. Raises Refusal if another one does.

    A submission that is cut off may leave a job in the queue without having noted its number.
    """
    with locked(kept):
        found = read(kept)
        if found is None:
            raise Refusal("slurm run", "this is no job of the sweep", "submit it: prk-bench slurm submit")
        job = found.job(name)
        if job.id not in ("", number):
            raise Refusal(name, f"it is job {job.id}, and this is {number}", "leave its launches to that one")
        return _changed(kept, found, replace(job, id=number))


def end(kept: Store, name: str, why: str) -> None:
    """Note why a job ended before its launches did."""
    with locked(kept):
        found = read(kept)
        if found:
            _changed(kept, found, replace(found.job(name), why=why))


def _changed(kept: Store, found: Journal, job: Entry) -> Journal:
    made = replace(found, jobs=tuple(job if j.name == job.name else j for j in found.jobs))
    if made != found:
        made.write(kept)
    return made


def read_back(kept: Store, plan: Plan, found: Journal) -> Journal:
    """Ask Slurm for the state of every job that may have changed, and settle what the ended ones left.

    The journal is to be locked, and read since.
    """
    jobs = []
    for one in found.jobs:
        if one.live:
            said = queue.state(one.id)
            one = replace(one, state=said.state, reason=said.reason, code=said.code, hosts=said.nodes)
        jobs.append(one)
    asked = replace(found, jobs=tuple(jobs))
    if asked != found:
        asked.write(kept)
    settle(kept, plan, asked)
    return asked


def settle(kept: Store, plan: Plan, found: Journal) -> None:
    """Write the records of the launches that ran when their job ended; nobody else can any more."""
    there = kept.names()
    numbers = plan.launches()
    left = dict(_left(found, there))
    kept.tidy(set(left))
    for name, job in left.items():
        # A launch that was started has a log; what never was stays to be submitted again.
        if name in numbers and kept.log(name).with_suffix(".err").exists():
            number, point, repeat = numbers[name]
            one = command.launch(plan, number, point, repeat, str(kept.path(name)))
            status, reason = job.ending
            hosts: list[str] = []
            with contextlib.suppress(queue.SlurmError):
                hosts = queue.hosts(job.hosts) if job.hosts else []
            about = {**one.about, "allocation": {"job": job.id, "nodes": hosts}}
            said = verdict.Verdict(status, "run", reason)
            with contextlib.suppress(FileExistsError):
                write.write(campaign.own_record(replace(one, about=about), said, 0.0), kept.path(name))


def never_started(kept: Store, names: set[str]) -> dict[str, str]:
    """Return the launches without a record whose job has ended, with the reason."""
    found = read(kept)
    left = _left(found, names) if found else ()
    return {name: f"never started: {job.ending[1]}" for name, job in left}


def _left(found: Journal, there: set[str]) -> Iterator[tuple[str, Entry]]:
    """Yield the launches without a record, with their latest job, if that has ended."""
    latest = {name: job for job in found.jobs if job.id for name in job.launches}
    return ((name, job) for name, job in latest.items() if name not in there and not job.live)


def of_status(found: Journal, there: set[str]) -> str:
    """Return a line a job: its number, state and how many of its launches have a record."""
    lines = []
    for job in found.jobs:
        state = job.state or ("SUBMITTED" if job.id else "not submitted")
        done = sum(name in there for name in job.launches)
        launches = "collects" if job.collects else f"{done} of {len(job.launches)} launches"
        nodes = "1 node" if job.nodes == 1 else f"{job.nodes} nodes"
        lines.append((job.name, job.id or "-", state, job.why or job.reason or "-", nodes, launches))
    return "\n".join(aligned(lines))


def live(found: Journal | None) -> Sequence[Entry]:
    """Return the jobs that wait or run."""
    return [j for j in found.jobs if j.live] if found else []
