"""End a sweep's harness, launches, jobs and nodes at random, many times: each launch counts once at the end.

`make soak`, or `python -m tests.soak --kills 200 --seed 7`; with --slurm on a cluster of tests/slurm/cluster,
brought up for it. Exit code 0 if nothing was lost, counted twice or left behind.
"""

import argparse
import contextlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from prk.harness import store
from prk.harness.analyse import results
from prk.harness.execute import campaign
from prk.harness.slurm import journal
from prk.harness.store import Store
from prk.run.processes import Mark, marked, wait_until
from tests.harness.making import STAND_IN
from tests.launch import ENVIRONMENT, ROOT

BENCH = [sys.executable, str(ROOT / "bench.py")]
CLUSTER = ROOT / "tests" / "slurm" / "cluster"
MARK = "PRK_SOAK"
# Programs that print at once, wait before they do, start others that outlive a shell, and fail.
WAIT = "import time, random; time.sleep(random.random() / 2)"
PROGRAMS = {
    "quick": f"{STAND_IN} good {{iterations}} {{n}}",
    "nested": f"sh -c '{sys.executable} -S -c \"{WAIT}\"; {STAND_IN} good {{iterations}} {{n}}; true'",
    "failing": f"{STAND_IN} failing {{iterations}} {{n}}",
}


class Soak:
    """A sweep in a folder, and what has been done to it."""

    def __init__(self, folder, seed, environment):
        self.chance = random.Random(seed)
        self.kept = Store(folder)
        self.environment = {**environment, MARK: str(folder)}
        self.kills: Counter[str] = Counter()
        self.seen = {}
        self.wrong = []

    def start(self, *words):
        """Start prk-bench; a program of its own, as a person has it."""
        return subprocess.Popen(
            [*BENCH, *map(str, words)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self, pid, kind, number=signal.SIGKILL):
        """Send a process what ends it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            self.kills[kind] += 1

    def told(self, process):
        """Note what a command says that no user should read."""
        _, err = process.communicate(timeout=120)
        # Until it has been imported, Python answers for it.
        if "Traceback" in err and "from prk.harness.cli import main" not in err:
            self.wrong.append(err)

    def look(self):
        """See that every record is whole and that none has gone, or is another one, since the last look."""
        found = results.load(self.kept, self.kept.plan())
        self.wrong += [f"{name} {why}" for name, why in found.problems]
        now = {(r.point, r.repeat): r.values for several in found.results.values() for r in several}
        self.wrong += [
            f"the record of {one} has changed" for one in self.seen if now.get(one) != self.seen[one]
        ]
        self.seen = now
        return found

    def finished(self):
        """See that every launch has come to one record, and that nothing is left."""
        found, plan = self.look(), self.kept.plan()
        missing = len(plan.order) - found.counts().total()
        if missing:
            self.wrong.append(f"{missing} of {len(plan.order)} launches have no record")
        left = wait_until(lambda: not marked(Mark(MARK, self.environment[MARK])), 10)
        if not left:
            self.wrong.append(f"left: {marked(Mark(MARK, self.environment[MARK]))}")
        self.wrong += [f"left: {p.name}" for p in self.kept.records.iterdir() if p.name[0] == "."]
        return found.counts()


def sweep(folder, repeat, programs=PROGRAMS):
    """Write the sweep's file; return its path."""
    path = Path(folder, "soak.toml")
    runtimes = "\n".join(f"[runtimes.{k}]\ncommand = {json.dumps(v)}" for k, v in programs.items())
    path.write_text(
        f"seed = 1\nrepeat = {repeat}\ntimeout = 60\n{runtimes}\n"
        f'[[points]]\nkernel = "stencil"\nruntime = {json.dumps(list(programs))}\nn = [100, 101]\n'
    )
    return path


def local(folder, kills, seed, limit):
    """Kill harnesses, or what they have started, on this machine; return the soak when all has been run."""
    soak = Soak(Path(folder, "s"), seed, ENVIRONMENT)
    words, end = ["run", sweep(folder, 3), "--out", soak.kept.folder], time.monotonic() + limit
    while soak.kills.total() < kills and time.monotonic() < end:
        harness = soak.start(*words)
        words = ["continue", soak.kept.folder]
        strike(soak, harness)
        soak.told(harness)
        if (soak.kept.folder / "plan.json").exists():
            grow(soak)
        else:
            words = ["run", Path(folder, "soak.toml"), "--out", soak.kept.folder]
    soak.told(soak.start(*words))
    return soak


def strike(soak, harness):
    """End a harness that has run for a while, in a way that people and systems do, or a launch of it."""
    time.sleep(soak.chance.uniform(0.0, 3.0))
    kind = soak.chance.choice(("killed", "killed", "terminated", "interrupted twice", "a launch killed"))
    if kind == "a launch killed":
        own = sorted(marked(campaign.mark(soak.kept)))
        if own:
            soak.end(soak.chance.choice(own), kind)
        kind = "killed"
        time.sleep(soak.chance.uniform(0.0, 1.0))
    numbers = {"terminated": [signal.SIGTERM], "interrupted twice": [signal.SIGINT] * 2}
    for number in numbers.get(kind, [signal.SIGKILL]):
        if harness.poll() is None:
            soak.end(harness.pid, kind, number)
            time.sleep(soak.chance.uniform(0.0, 0.3))


def grow(soak):
    """Plan more launches when most have been run, so that there is always something to kill."""
    plan, found = soak.kept.plan(), soak.look()
    if len(plan.order) - found.counts().total() < 10:
        soak.told(soak.start("extend", soak.kept.folder, "--repeat", plan.repeat + 5))


def on_slurm(folder, kills, seed, limit, environment):
    """Kill submissions, jobs, their harnesses, steps and nodes' daemons; return the soak when all is run."""
    programs = {"quick": PROGRAMS["quick"], "step": f"srun --ntasks={{ranks}} {PROGRAMS['nested']}"}
    soak = Soak(Path(folder, "s"), seed, environment)
    path, end = sweep(folder, 20, programs), time.monotonic() + limit
    site = Path(folder, "site.toml")
    site.write_text('cache = ""\n')
    words = ["slurm", "submit", path, "--site", site, "--out", soak.kept.folder]
    while soak.kills.total() < kills and time.monotonic() < end:
        submission = soak.start(*words)
        if soak.chance.random() < 0.2:
            time.sleep(soak.chance.uniform(0.2, 2.0))
            soak.end(submission.pid, "submission")
        soak.told(submission)
        time.sleep(soak.chance.uniform(1.0, 6.0))
        damage(soak, Path(folder))
        if (soak.kept.folder / "plan.json").exists():
            soak.told(soak.start("slurm", "status", soak.kept.folder))
            grow(soak)
            words = ["slurm", "submit", soak.kept.folder]
    settle(soak, words, max(end, time.monotonic() + 300))
    return soak


def damage(soak, folder):
    """End one thing of those that run: a job, its harness, a step's program, or a node's daemon."""
    kind = soak.chance.choice(("job", "harness", "step", "node"))
    every = marked(Mark(MARK, soak.environment[MARK]))
    harnesses = [pid for pid, line in every.items() if "slurm run" in line]
    steps = [pid for pid, line in every.items() if "stand_in" in line or "time.sleep" in line]
    if kind == "node":
        restart(soak, folder)
    elif kind == "job":
        made = journal.read(soak.kept) if (soak.kept.folder / "plan.json").exists() else None
        for job in [j for j in journal.live(made) if not j.collects][:1]:
            subprocess.run(["scancel", job.id], env=soak.environment, check=False)
            soak.kills[kind] += 1
    elif chosen := {"harness": harnesses, "step": steps}[kind]:
        soak.end(soak.chance.choice(chosen), kind)


def restart(soak, folder):
    """Kill a node's daemon, and start it again where it was: in its own namespaces."""
    found = [p for p in Path("/proc").glob("[0-9]*") if is_daemon(p, soak.environment["SLURM_CONF"])]
    if not found:
        return
    one = soak.chance.choice(found)
    words = (one / "cmdline").read_bytes().decode().split("\0")[:-1]
    spaces = {kind: os.open(one / "ns" / kind, os.O_RDONLY) for kind in ("mnt", "uts", "ipc")}
    soak.end(int(one.name), "node")
    time.sleep(soak.chance.uniform(0.0, 2.0))
    names = [f"--{'mount' if k == 'mnt' else k}=/proc/self/fd/{s}" for k, s in spaces.items()]
    clean = {k: v for k, v in soak.environment.items() if k != MARK}
    with open(folder / "slurmd.log", "a") as log:
        subprocess.run(
            ["nsenter", *names, *words],
            env=clean,
            pass_fds=spaces.values(),
            stdout=log,
            stderr=log,
            check=True,
        )
    for number in spaces.values():
        os.close(number)


def is_daemon(process, configuration):
    """Tell whether a process is a node's daemon of this cluster."""
    try:
        words = (process / "cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return words[0].endswith("slurmd") and configuration in words


def settle(soak, words, end):
    """Submit what is left until nothing is, or the time is over."""
    while time.monotonic() < end:
        soak.told(soak.start(*words))
        words = ["slurm", "submit", soak.kept.folder]
        soak.told(soak.start("slurm", "status", soak.kept.folder))
        live = journal.live(journal.read(soak.kept))
        missing = len(soak.kept.plan().order) - soak.look().counts().total()
        if not missing and not live:
            return
        time.sleep(2)


@contextlib.contextmanager
def cluster():
    """Bring up the test Slurm; yield the environment of who uses it."""
    folder = tempfile.mkdtemp(prefix="prk-", dir="/tmp")
    Path(folder).chmod(0o755)
    own = {**ENVIRONMENT, "PRK_SLURM_DIR": folder}
    done = subprocess.run([CLUSTER, "up"], env=own, stdout=subprocess.PIPE, text=True, check=True)
    try:
        yield {**own, "SLURM_CONF": shlex.split(done.stdout)[1].removeprefix("SLURM_CONF=")}
    finally:
        subprocess.run([CLUSTER, "down"], env=own, check=True)


def summary(soak, seed, seconds):
    """Return what was done, and what came of it."""
    counts = soak.finished()
    return {
        "seed": seed,
        "seconds": round(seconds),
        "kills": dict(soak.kills),
        "launches": dict(counts),
        "failed in any way": sum(counts[s] for s in store.FAILED),
        "wrong": soak.wrong,
    }


def main(words=None):
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=3600, help="seconds, after which no more is killed")
    parser.add_argument("--slurm", action="store_true", help="on the cluster of tests/slurm/cluster")
    parser.add_argument("--json", metavar="FILE", help="write the summary to FILE")
    given = parser.parse_args(words)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prk-soak-") as folder, contextlib.ExitStack() as stack:
        Path(folder).chmod(0o755)
        if given.slurm:
            where = stack.enter_context(cluster())
            soak = on_slurm(folder, given.kills, given.seed, given.limit, where)
        else:
            soak = local(folder, given.kills, given.seed, given.limit)
        found = summary(soak, given.seed, time.monotonic() - begin)
    text = json.dumps(found, indent=1)
    print(text)
    if given.json:
        Path(given.json).write_text(f"{text}\n")
    return int(bool(found["wrong"]) or soak.kills.total() < given.kills)


if __name__ == "__main__":
    sys.exit(main())
