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
from prk.harness.slurm import jobs, journal, nodes, queue, step
from prk.harness.slurm.journal import OUT_OF_TIME
from prk.harness.slurm.site import Site
from prk.harness.store import Store
from prk.problem import Refusal
from prk.records import identity, write
from prk.records.build import RIGHT

# Seconds in which the signal of a job that ends follows the end of its steps.
END_FOLLOWS = 1.0


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
    hosts: Sequence[str] = (),
) -> list[Launch]:
    """Return launches ready to start on the nodes `hosts` of a job."""
    found = []
    for one in campaign.launches(plan, kept, todo):
        words = step.command_of(
            site, one.point, str(kept.path(one.name)), plan.timeout, str(shared(kept, job)), hosts
        )
        told = {**one.about, "command": command.shown(words), **about}
        found.append(replace(one, command=tuple(words), about=told))
    return found


def shared(kept: Store, job: str) -> Path:
    """Return the job's folder for temporary files that all nodes see."""
    return kept.folder / "slurm" / f"{job}.tmp"


def run(kept: Store, name: str) -> int:
    """Run what the job called `name` was submitted for; return the exit code.

    0 if all went well, 1 if a launch failed or all were skipped, 124 if the job's time ran out, 143 if it was
    ended otherwise.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if journal.read(kept) is None or number is None:
        raise Refusal("slurm run", "this is no job of the sweep", "submit it: prk-bench slurm submit")
    found = journal.claim(kept, name, number)
    plan, job = kept.plan(), found.job(name)
    hosts = queue.hosts(os.environ["SLURM_JOB_NODELIST"])
    own = set(job.launches)
    kept.tidy(own)
    todo = [t for t in campaign.pending(plan, kept.names()) if identity.launch_name(t[1].id, t[2]) in own]
    about = {"allocation": {"job": number, "nodes": hosts}}
    site = found.site.on(job.nodes)
    ready = launches(plan, kept, site, name, todo, about, hosts)
    progress.say(f"job {number} ({name}) on {', '.join(hosts)}")
    with progress.shown(ready) as watcher:
        held = nodes.Nodes(site, number, hosts, shared(kept, name))
        code = _Runner(kept, number, job, held, watcher).run(ready)
    progress.say(f"{kept.folder}: {watcher.summary()}")
    right = not watcher.counts or any(watcher.counts[s] for s in RIGHT)
    return code or int(any(watcher.counts[s] for s in store.FAILED) or not right)


class _Runner:
    """The launches of one job, and the one that runs."""

    def __init__(
        self, kept: Store, job: str, entry: journal.Entry, held: nodes.Nodes, watcher: progress.Lines
    ):
        self.kept, self.job, self.entry, self.nodes, self.watcher = kept, job, entry, held, watcher
        self.current: Launch | None = None
        # Launches that failed one after the other.
        self.failures = 0

    def run(self, ready: Sequence[Launch]) -> int:
        """Run the launches until the job ends; return 0, or the exit code for what ended it."""
        try:
            with _signals(), self.folder(), self.nodes.held():
                self.nodes.check()
                self.count(ready)
                self.prepare(ready)
                for one in ready:
                    if queue.time_left(self.job) < self.entry.expected + jobs.OVERHEAD + jobs.WARNING:
                        return self.end("had no time left for it", OUT_OF_TIME)
                    self.launch(one)
        except nodes.Broken as broken:
            return self.end(f"gave up: {broken}", 1)
        except Stopped as stopped:
            end_steps(self.job)
            if self.current:
                self.settle(self.current, stopped.out_of_time)
            ended = "its time is nearly over" if stopped.out_of_time else "ended by Slurm"
            progress.say(f"job {self.job}: {ended}")
            return OUT_OF_TIME if stopped.out_of_time else 128 + signal.SIGTERM
        return 0

    def end(self, why: str, code: int) -> int:
        """Leave what has not been started to another job; say why."""
        journal.end(self.kept, self.entry.name, why)
        progress.say(f"job {self.job}: {why}")
        return code

    def launch(self, one: Launch) -> None:
        """Run one launch. Raises nodes.Broken if it failed as one more of many, or for a node."""
        self.current = one
        self.watcher.begin(one)
        status, reason = campaign.run_one(self.kept, self.nodes.placed(one))
        failed = status in store.FAILED
        if failed:
            end_steps(self.job)
            # The steps of a job that is ended go first, and then look like a launch that failed.
            time.sleep(END_FOLLOWS)
        self.current = None
        self.watcher.end(one, status, reason)
        self.failures = self.failures + 1 if failed else 0
        if failed:
            self.nodes.check()
        if self.failures and self.failures == self.nodes.site.failures:
            raise nodes.Broken(f"{self.failures} launches failed one after the other")

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
            self.kept.tidy({one.name})
            write.write(campaign.own_record(one, found, 0.0), path)
            self.watcher.end(one, found.status, found.reason)

    def count(self, ready: Sequence[Launch]) -> None:
        """Say what copies of the environment save, of the first launch that imports it."""
        own = [one.point for one in ready if not one.point.foreign]
        if self.nodes.staged and own:
            progress.say(self.nodes.opened(own[0].runtime, own[0].kernel))

    def prepare(self, ready: Sequence[Launch]) -> None:
        """Fill the compile cache of every node by small runs, of which nothing is kept."""
        names = self.nodes.names
        for number, point in enumerate(jobs.preparations(one.point for one in ready)):
            limit = min(ready[0].limit, jobs.PREPARATION)
            record, log = self.nodes.shared / f"{number}.json", self.nodes.shared / f"{number}"
            words = step.command_of(self.nodes.site, point, str(record), limit, str(log.parent), names)
            one = self.nodes.placed(Launch(point, 0, tuple(words), limit, {"prepares": number}))
            ended = launch.run(one.command, command.environment(one), limit, log)
            if ended.code:
                # What is wrong with the point itself, its own launches will say.
                progress.say(f"not compiled beforehand: {verdict.judge(point, ended, limit).reason}")
                end_steps(self.job)

    @contextlib.contextmanager
    def folder(self) -> Iterator[None]:
        """Make the job's temporary folder, which all nodes see."""
        self.nodes.shared.mkdir(exist_ok=True)
        try:
            yield
        finally:
            shutil.rmtree(self.nodes.shared, ignore_errors=True)


def end_steps(job: str) -> None:
    """End the steps that a launcher left behind: its processes on other nodes may outlive it."""
    with contextlib.suppress(queue.SlurmError):
        left = queue.steps(job, nodes.NAME)
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
