"""What runs inside a job: the launches that it was submitted for, one after the other, on its nodes."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prk.harness import store
from prk.harness.execute import campaign, command, launch, progress, verdict
from prk.harness.execute.command import Launch
from prk.harness.plan.points import Plan, Point
from prk.harness.slurm import jobs, journal, queue, step
from prk.harness.slurm.journal import OUT_OF_TIME
from prk.harness.slurm.site import Site
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity, write

# Seconds in which the signal of a job that ends follows the end of its steps.
END_FOLLOWS = 1.0
# What filling the compile cache may take a point.
PREPARATION = 300.0


class Stopped(BaseException):
    """Slurm ends the job: its time is nearly over, or it was cancelled, or lost a node."""

    def __init__(self, number: int):
        super().__init__(number)
        self.out_of_time = number == signal.SIGUSR1


def launches(
    plan: Plan,
    kept: Store,
    site: Site,
    job: str,
    todo: Sequence[tuple[int, Point, int]],
    about: Mapping[str, Any],
) -> list[Launch]:
    """Return launches ready to start on the nodes of a job."""
    found = []
    for one in campaign.launches(plan, kept, todo):
        words = step.command_of(
            site, one.point, str(kept.path(one.name)), plan.timeout, str(shared(kept, job))
        )
        told = {**one.about, "command": command.shown(words), **about}
        found.append(replace(one, command=tuple(words), about=told))
    return found


def shared(kept: Store, job: str) -> Path:
    """Return the job's folder for temporary files that all nodes see."""
    return kept.folder / "slurm" / f"{job}.tmp"


def run(kept: Store, name: str) -> int:
    """Run what the job called `name` was submitted for; return the exit code.

    0 if all went well, 1 if a launch failed, 124 if the job's time ran out, 143 if it was ended otherwise.
    """
    found = journal.read(kept)
    number = os.environ.get("SLURM_JOB_ID")
    if found is None or number is None:
        raise Refusal("slurm run", "this is no job of the sweep", "submit it: prk-bench slurm submit")
    plan, job = kept.plan(), found.job(name)
    if job.id not in ("", number):
        # A submission that was cut off before it could note the number, and was made again.
        raise Refusal(name, f"it is job {job.id}, and this is {number}", "leave its launches to that one")
    nodes = queue.hosts(os.environ["SLURM_JOB_NODELIST"])
    own = set(job.launches)
    todo = [t for t in campaign.pending(plan, kept.names()) if identity.launch_name(t[1].id, t[2]) in own]
    ready = launches(plan, kept, found.site, name, todo, {"allocation": {"job": number, "nodes": nodes}})
    print(f"job {number} ({name}) on {', '.join(nodes)}", flush=True)
    with progress.shown(ready) as watcher:
        code = _Runner(kept, number, name, len(nodes), found.site, watcher).run(ready)
    print(f"{kept.folder}: {watcher.summary()}")
    return code or int(any(watcher.counts[s] for s in store.FAILED))


class _Runner:
    """The launches of one job, and the one that runs."""

    def __init__(self, kept: Store, job: str, name: str, nodes: int, site: Site, watcher: progress.Lines):
        self.kept, self.job, self.nodes, self.site, self.watcher = kept, job, nodes, site, watcher
        self.shared = shared(kept, name)
        self.current: Launch | None = None

    def run(self, ready: Sequence[Launch]) -> int:
        """Run the launches until the job ends; return 0, or the exit code for what ended it."""
        try:
            with _signals(), self.folders():
                self.prepare(ready)
                for one in ready:
                    self.launch(one)
        except Stopped as stopped:
            end_steps(self.job)
            if self.current:
                self.settle(self.current, stopped.out_of_time)
            print(f"job {self.job}: {'its time is nearly over' if stopped.out_of_time else 'ended by Slurm'}")
            return OUT_OF_TIME if stopped.out_of_time else 128 + signal.SIGTERM
        return 0

    def launch(self, one: Launch) -> None:
        self.current = one
        self.watcher.begin(one)
        status, reason = campaign.run_one(self.kept, one)
        if status in store.FAILED:
            end_steps(self.job)
            # The steps of a job that is ended go first, and then look like a launch that failed.
            time.sleep(END_FOLLOWS)
        self.current = None
        self.watcher.end(one, status, reason)

    def settle(self, one: Launch, out_of_time: bool) -> None:
        """Record the launch that ran. If not for its time, why the job ended is known when it has ended."""
        path = self.kept.path(one.name)
        if path.exists():
            with contextlib.suppress(ValueError):
                if store.read(path, one.point, one.repeat).status not in store.FAILED:
                    return
            self.kept.set_aside(one.name)
        if out_of_time:
            found = verdict.Verdict("timeout", "run", f"job {self.job} ran into its time limit")
            write.write(campaign.own_record(one, found, 0.0), path)
            self.watcher.end(one, found.status, found.reason)

    def prepare(self, ready: Sequence[Launch]) -> None:
        """Fill the compile cache of every node by small runs, of which nothing is kept."""
        for number, point in enumerate(jobs.preparations(ready)):
            limit = min(ready[0].limit, PREPARATION)
            record, log = self.shared / f"{number}.json", self.shared / f"{number}"
            words = step.command_of(self.site, point, str(record), limit, str(self.shared))
            one = Launch(point, 0, tuple(words), limit, {"prepares": number})
            ended = launch.run(one.command, command.environment(one), limit, log)
            if ended.code:
                # What is wrong with the point itself, its own launches will say.
                print(f"not compiled beforehand: {verdict.judge(point, ended, limit).reason}", flush=True)
                end_steps(self.job)

    @contextlib.contextmanager
    def folders(self) -> Iterator[None]:
        """Make the job's temporary folder, and one for the compile cache on every node."""
        cache = os.environ.get("NUMBA_CACHE_DIR", "")
        own = self.site.cache is None
        self.shared.mkdir(exist_ok=True)
        try:
            # In a folder that others could have made, they could have put code of theirs.
            if own and self.on_every_node("sh", "-c", 'mkdir -m 700 "$0" 2>/dev/null || [ -O "$0" ]', cache):
                raise Refusal(
                    "NUMBA_CACHE_DIR", f"{cache} cannot be made on every node", "set cache in the site file"
                )
            yield
        finally:
            if own:
                self.on_every_node("rm", "-rf", cache)
            shutil.rmtree(self.shared, ignore_errors=True)

    def on_every_node(self, *words: str) -> int:
        """Run a command once on every node; return its exit code."""
        return launch.run(step.on_every_node(self.nodes, words), os.environ, 60, self.shared / "nodes").code


def end_steps(job: str) -> None:
    """End the steps that a launcher left behind: its processes on other nodes may outlive it."""
    with contextlib.suppress(queue.SlurmError):
        left = queue.steps(job)
        if left:
            queue.cancel(left)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Raise Stopped when Slurm says that the job ends, once."""

    def stop(number: int, _: Any) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    before = {one: signal.signal(one, stop) for one in (signal.SIGUSR1, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
