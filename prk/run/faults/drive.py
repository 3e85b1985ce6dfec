"""A run that goes on when members die: one process's part in it.

Members run repetitions one at a time, copy their fields every few of them, and agree in the end that all is
well. If they do not agree, those who are left repair the team, take up the last state that all of them have,
and run again what was lost.
"""

import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prk import pieces
from prk.check import Check
from prk.job import Job, Outcome
from prk.kernel import Kernel
from prk.problem import Measured, Problem, Refusal, Unanimous
from prk.records import build, write
from prk.records.build import Case
from prk.run import compile_cache, environment
from prk.run.faults import copies, options, roles, victims
from prk.run.faults.account import Account, Failure, Lap, Times
from prk.run.faults.options import Kill
from prk.run.faults.victims import Process
from prk.run.sample import Sample
from prk.runtime import Runtime

# Seconds by which the others are late for one that is to die while it waits for them; it dies half way.
LATE = 0.1
# What befalls one that is to die.
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

Make = Callable[..., Kernel[Any]]


class Again(Exception):
    """What a member raises that goes on only in a team that is made anew from outside."""


class Told(Exception):
    """What a member raises when it hears that something went wrong elsewhere."""


class Failed(Exception):
    """A run that cannot go on after a failure; all that are left raise it together."""

    def __init__(self, why: str, account: Account, comm: Any):
        super().__init__(why)
        self.account, self.comm = account, comm


class Ended(NamedTuple):
    """What a run gave, equal on all who are left: their team, the case, and what it lost."""

    comm: Any
    case: Case
    account: Account


def refuse(job: Job, members: Sequence[Mapping[str, Any]], size: int) -> None:
    """Raise Refusal if a job cannot have its faults on these members; before any allocation."""
    for given, option in (
        (job.repeat > 1, "--repeat"), (job.problem.audit, "--audit"), (job.split, "--split"),
    ):  # fmt: skip
        if given:
            raise Refusal(
                option, "a run with faults has no such part", "ask for it in a run without --faults"
            )
    plan = options.read(job.problem, job.options, size)
    several = len({m["host"] for m in members}) > 1
    if plan.state == "disk" and several and not job.folder:
        raise Refusal("--state", "the nodes share no folder that is named", "name one by --checkpoint-folder")
    if job.folder and not os.access(job.folder, os.W_OK | os.X_OK):
        raise Refusal(
            "--checkpoint-folder", f"cannot write to {job.folder}", "name a folder that you can write"
        )


def lost(job: Job, how: Runtime, members: Sequence[Mapping[str, Any]], failed: "Failed") -> Outcome:
    """Record a run that could not go on, on the first of those who are left; return how it ended."""
    comm, account = failed.comm, failed.account
    if comm.rank > 0:
        return Outcome(1)
    line = str(failed)
    if job.json:
        record = build.failed(job, how, members, account, line)
        line = "; ".join(filter(None, (line, write.save(record, job.json))))
    if not job.quiet:
        print("\n".join(account.lines()))
    print(account.headline(), flush=True)
    if environment.speaks():
        return Outcome(1, line)
    # Whoever would have said so is gone.
    print(f"prk.{job.kernel}: {line}", file=sys.stderr, flush=True)
    return Outcome(1)


def run(job: Job, how: Runtime, make: Make, comm: Any, check: Callable[..., list[Check]]) -> Ended:
    """Run the job's problem with its faults. Collective; raises Failed if too much is lost.

    check: compares the members' fields with the answer, on the first member of their team.
    """
    return Run(job, how.survivors(comm), make, check).all()


class Run:
    """This process's part."""

    def __init__(self, job: Job, world: Any, make: Make, check: Callable[..., list[Check]]):
        self.job, self.world, self.make, self.check = job, world, make, check
        self.problem: Problem = job.problem
        self.me: int = world.started[world.rank]
        self.plan = options.read(job.problem, job.options, world.size)
        self.slots: tuple[int, ...] = world.started[: world.size - self.plan.spares]
        own = [Process(*p) for p in world.comm.allgather(tuple(Process.own(self.me)))]
        self.processes = {p.member: p for p in own}
        # What outlives this part of the process in it, where teams are made anew from outside.
        self.kept: dict[str, Any] = world.kept
        self.folder = self.kept.setdefault("folder", self._folder())
        self.copies: copies.Copies = self.kept.setdefault(
            "copies", copies.KINDS[self.plan.state](job, self.folder)
        )
        self.kernel: Kernel[Any] | None = None
        self.team: Any = None
        self.case: tuple[list[Check], list[Any]] | None = None
        # Repetitions that are done in this process's fields, the warm-up being the first one.
        self.done: int | None = self.kept.get("done")
        self.times: Times = self.kept.setdefault("times", Times())
        self._know()
        self.ordered: set[Kill] = set()

    def _folder(self) -> Path:
        """Return the run's folder; the first attempt makes it. Collective."""
        known = next(filter(None, self.world.comm.allgather(self.kept.get("folder"))), None)
        if known:
            folder: Path = known
            return folder
        made = tempfile.mkdtemp(prefix="prk-faults-", dir=self.job.folder) if self.world.rank == 0 else None
        name: str = self.world.comm.bcast(made)
        return Path(name)

    def _know(self) -> None:
        """Note the failures since this process was in a team, where that was ended from outside."""
        new = self.world.lost[len(self.times.failures) :]
        for later, dead in zip(range(len(new) - 1, -1, -1), new, strict=True):
            now, caught = time.perf_counter(), self.kept.pop("caught", None)
            agreed = None if later else now
            self.times.failures.append(Failure(dead, caught, agreed, self.done, len(self.slots)))

    def all(self) -> Ended:
        """Run to the end."""
        try:
            self._start_killer()
            ended = self._all()
        except Again:
            # It goes on in another team.
            raise
        except BaseException:
            self._clean()
            raise
        self._clean()
        return ended

    def _clean(self) -> None:
        gc.enable()
        if self.world.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> Ended:
        """Try until all who are left agree that it went well, and know what came out."""
        while True:
            error = self._attempt()
            well, whole = error is None, True
            while whole:
                if self._settled(well):
                    ended, error = self._share()
                    # Whoever waits agrees ahead, and may have died since.
                    if self.world.agree(error is None) and ended:
                        return ended
                if not self._shrink():
                    self._raise(error)
                if not {*self.slots} <= {*self.world.started}:
                    self._assign()
                    break
                # If only spares died, what was done stands.
                whole = self.world.agree(well)

    @property
    def slot(self) -> int | None:
        """Return this process's place in the team, or None if it waits."""
        return self.slots.index(self.me) if self.me in self.slots else None

    def _attempt(self) -> Exception | None:
        """Make a team, take up the state, and run to the end; return what went wrong, if anything did."""
        try:
            self._meet()
            if self.times.failures:
                self._fall("recovery")
                self.times.failures[-1].repaired = time.perf_counter()
            self._take_up()
            if self.kernel:
                self._repeat(self.kernel)
            return None
        except Exception as error:
            if not (self.world.failure(error) or isinstance(error, Unanimous | pieces.Gone | Told)):
                raise
            self.times.caught = time.perf_counter()
            self.world.revoke(self.team)
            # Nothing wakes who agrees with this one meanwhile, other than its word.
            if self.team and not isinstance(error, Told):
                self.world.agree(False, self.team)
            return error

    def _meet(self) -> None:
        """Make the team of those who compute, if all can. Collective."""
        try:
            self.team, error = self.world.team(self.slot), None
        except Exception as failure:
            if not self.world.failure(failure):
                raise
            error = failure
            self.world.revoke(None)
        if not self.world.agree(error is None):
            self.world.release(self.team)
            self.team = None
            raise error or Told

    def _take_up(self) -> None:
        """Make this process's kernel, if it has one, with the last state that all have. Collective."""
        before = self.times.failures[-1] if self.times.failures else None
        done, label = self.copies.resumed(self.world, self.done)
        with compile_cache.watched() as compiling:
            begin = time.perf_counter()
            if self.slot is not None:
                self.kernel = self.make(self.problem, self.team, self.job.options)
                self.copies.prepare(self.team, pieces.of(self.kernel.fields()))
            ready, in_setup = time.perf_counter(), compiling.seconds
            if done:
                state = self.copies.restored(self.kernel, self.world, done, label)
                if self.kernel and state is not None:
                    self.kernel.restore(state, done)
                    # Whoever is gone took copies along.
                    if self.copies.kept:
                        self._save(self.kernel, done)
            elif self.kernel:
                self.kernel.repeat(1)
            warm = time.perf_counter()
        self.done = max(done, 1) if self.kernel else None
        if not before:
            self.times.compile, self.times.setup = compiling.seconds, ready - begin - in_setup
            self.times.warmup = warm - ready - (compiling.seconds - in_setup)
        gc.freeze()
        gc.collect()
        gc.disable()
        self.world.comm.barrier()
        now = time.perf_counter()
        self.times.started = self.times.started or now
        if before:
            before.resumed, before.restored = max(done, 1), now

    def _repeat(self, kernel: Kernel[Any]) -> None:
        """Run what is missing of the repetitions, check the answer, and tell the first member."""
        while self.done is not None and self.done < self.problem.repetitions:
            self._fall("computing")
            begin = time.perf_counter()
            kernel.repeat(1)
            self.times.laps.append(Lap(len(self.times.failures), self.done, time.perf_counter() - begin))
            self.done += 1
            every = self.plan.checkpoint
            if every and (self.done - 1) % every == 0 and self.done < self.problem.repetitions:
                begin = time.perf_counter()
                self._save(kernel, self.done)
                self.times.checkpoints.append(time.perf_counter() - begin)
        self.times.ended = time.perf_counter()
        # Fields that only some have whole must not be looked at.
        if not self.world.agree(True, self.team):
            raise Told
        checks = self.check(self.problem, kernel.fields(), self.team)
        kernel.probe()
        gathered = self.team.gather(kernel.findings())
        self.times.checked = time.perf_counter()
        if not self.world.agree(True, self.team):
            raise Told
        self.case = (checks, gathered) if gathered is not None else None

    def _save(self, kernel: Kernel[Any], done: int) -> None:
        """Copy the fields; the copy counts if all members have made it. Collective over the team."""
        self.copies.save(self.world, self.team, pieces.of(kernel.fields()), (len(self.times.failures), done))
        self._fall("checkpoint")
        if not self.world.agree(True, self.team):
            raise Told
        self.copies.commit()

    def _settled(self, well: bool) -> bool:
        """Return whether all who are left say that their part went well. Collective."""
        if self.slot is None and well:
            return bool(self.world.wait(self._die))
        return bool(self.world.agree(well))

    def _share(self) -> tuple[Ended | None, Exception | None]:
        """Return what came out, or what went wrong when that was told to all. Collective."""
        try:
            return self._ended(), None
        except Exception as error:
            if not self.world.failure(error):
                raise
            self.world.revoke(None)
            return None, error

    def _shrink(self) -> list[int]:
        """Go on as those who are left; return who is gone. Collective."""
        agreed, reached = time.perf_counter(), self.done
        if self.kernel:
            with contextlib.suppress(Exception):
                self.kernel.close()
        self.kept.update(done=self.done, caught=self.times.caught)
        before, team = self.world, self.team
        self.kernel = self.team = None
        self.world = before.shrunk()
        before.release(team, before.comm)
        dead = sorted({*before.started} - {*self.world.started})
        if dead:
            self.times.failures.append(Failure(dead, self.times.caught, agreed, reached, len(self.slots)))
        self.times.caught = None
        for member in dead:
            # One that only stopped, or was taken for dead, must neither go on nor stay.
            if self.processes[member].node == self.processes[self.me].node:
                self.processes[member].end()
        return dead

    def _raise(self, error: Exception | None) -> None:
        """Raise what went wrong without anybody's death, on all. Collective."""
        said = next(filter(None, self.world.comm.allgather(self._said(error))), "")
        if said:
            raise Failed(said, self._account(), self.world.comm)
        raise error or RuntimeError("a member failed, and none of them died")

    def _said(self, error: Exception | None) -> str:
        if isinstance(error, pieces.Gone):
            return f"--state: {self.plan.state} has lost {error} with the ranks that died"
        return str(error) if isinstance(error, Unanimous) else ""

    def _assign(self) -> None:
        """Say who computes what from now on. Raises Failed, on all, if that cannot be."""
        living = self.world.started
        if self.plan.recovery == "spares":
            found = roles.filled(self.slots, living)
            why = f"--spares: more ranks died than the {self.plan.spares} that were spare"
        else:
            found = roles.shrunk(self.slots, living, self._fits)
            why = f"--recovery: no number of ranks up to the {len(living)} that are left can go on"
        if found is None:
            raise Failed(why, self._account(), self.world.comm)
        self.slots = found

    def _fits(self, size: int) -> bool:
        try:
            self.problem.refuse(size)
        except Refusal:
            return False
        return True

    def _fall(self, phase: str) -> None:
        """Die, if this process is to die now; let others wait for one that is to die meanwhile."""
        done = self.done or 0
        for kill in self.plan.kills:
            if kill.rank not in self.world.started or kill.repetition > self._reached(done, phase):
                continue
            if kill.rank == self.me:
                self._obey(kill, phase)
            elif phase == "computing" and kill.phase != "recovery" and self.slot == 0:
                self._tell(kill)
            if kill.phase == "waiting" and phase == "computing" and kill.rank != self.me:
                time.sleep(LATE)

    def _reached(self, done: int, phase: str) -> int:
        """Return the timed repetition that the run has come to, as this process knows it."""
        if phase == "recovery":
            reached = (f.reached for f in self.times.failures)
            return max((n for n in reached if n is not None), default=self.problem.iterations)
        return done if phase == "computing" else done - 1

    def _obey(self, kill: Kill, phase: str) -> None:
        if kill.phase == "waiting" and phase == "computing":
            threading.Timer(LATE / 2, self._die).start()
        elif kill.phase == phase:
            self._die()

    def _tell(self, kill: Kill) -> None:
        """Let a spare die that waits."""
        if kill.rank not in self.slots and kill not in self.ordered:
            self.ordered.add(kill)
            self.world.order(self.world.started.index(kill.rank))

    def _die(self) -> None:
        victims.note(self.folder, self.me)
        os.kill(os.getpid(), SIGNALS[self.plan.signal])
        # It may take a moment.
        time.sleep(60)

    def _start_killer(self) -> None:
        """Start, on each node, a process that kills those of this run there, if any are to be killed so."""
        here = [p for p in self.processes.values() if p.node == self.processes[self.me].node]
        if not self.plan.mtbf or here[0].member != self.me or self.world.lost:
            return
        nodes = len({p.node for p in self.processes.values()})
        asked = {
            "processes": here,
            "folder": str(self.folder),
            "seconds": self.plan.mtbf * nodes,
            "seed": self.plan.seed,
        }
        command = [sys.executable, "-m", "prk.run.faults.victims", json.dumps(asked)]
        # Nobody waits for it, since its parent may be the first whom it kills.
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)

    def _account(self) -> Account:
        """Return what was lost and what that took, equal on all who are left. Collective."""
        gathered = self.world.comm.allgather(self.times)
        dead = {member for f in self.times.failures for member in f.dead}
        known = {member: victims.death(self.folder, member) for member in dead}
        deaths = self.world.comm.bcast(known)
        processes = list(self.processes.values())
        return Account.of(self.plan, self.problem, processes, deaths, gathered, len(self.slots))

    def _ended(self) -> Ended:
        """Return the whole run's result on all who are left. Collective."""
        victims.spare(self.folder)
        account = self._account()
        checks, findings = next(filter(None, self.world.comm.allgather(self.case)))
        samples = self.world.comm.allgather(self._sample(account))
        measured = Measured(
            problem=self.problem,
            seconds=account.seconds / self.problem.iterations,
            laps=(),
            checks=tuple(checks),
            findings=tuple(findings),
        )
        return Ended(self.world.comm, Case(measured, tuple(filter(None, samples))), account)

    def _sample(self, account: Account) -> Sample | None:
        """Return this member's times; the whole run's is that of each of them."""
        if self.slot is None or self.times.ended is None or self.times.checked is None:
            return None
        return Sample(
            compile=self.times.compile,
            setup=self.times.setup,
            warmup=self.times.warmup,
            repetition=account.seconds / self.problem.iterations,
            repetitions=self.problem.iterations,
            check=self.times.checked - self.times.ended,
            unkept=compile_cache.warning(),
        )
