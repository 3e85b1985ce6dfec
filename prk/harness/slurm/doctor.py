"""Look at a cluster by a small job: what its nodes are like, and whether MPI starts as the site says.

`python -m prk.harness.slurm.doctor` says what one node is like.
"""

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from prk.harness.slurm import jobs, journal, nodes, queue, step, submission
from prk.harness.slurm.journal import Journal
from prk.harness.slurm.site import Site
from prk.harness.store import Store, refuse_unwritable
from prk.problem import Refusal
from prk.records import write as files
from prk.run import doctor, launcher, reason

# Seconds that the job may take, and a step of it.
JOB, STEP = 600, 120
OTHERWISE = "set launcher and mpi in the site file (srun --mpi=list), or load the MPI of mpi4py in its setup"


def ask(site: Site, count: int) -> int:
    """Look at so many nodes by a job and print what it finds; return 0 if MPI starts on them, else 1."""
    queue.refuse_without("sbatch")
    there = queue.partition(site.on(count).partition)
    if not 1 <= count <= there.nodes:
        raise Refusal("--nodes", f"partition {there.name} has {there.nodes}", f"use 1 to {there.nodes}")
    # Where sweeps will be, which all nodes are to see.
    with refuse_unwritable(Path.cwd()):
        kept = Store(tempfile.mkdtemp(prefix="prk-doctor-", dir=Path.cwd()))
    try:
        with _job(site.on(count), count, kept) as number:
            print(f"job {number} on {count} nodes of partition {there.name}; Ctrl-C cancels it", flush=True)
            while (now := queue.state(number)).live:
                time.sleep(1)
        log = submission.script(kept, "doctor").with_suffix(f".{number}.out")
        said = log.read_text() if log.exists() else ""
        print(
            said.rstrip() or f"it left nothing that can be read here ({now.state}): do nodes see this folder?"
        )
        return 0 if now.state == "COMPLETED" else 1
    finally:
        shutil.rmtree(kept.folder, ignore_errors=True)


@contextlib.contextmanager
def _job(site: Site, count: int, kept: Store) -> Iterator[str]:
    """Submit the job that looks; cancel it if nobody waits for it any more."""
    Journal(site).write(kept)
    job = jobs.Job("doctor", count, 1, JOB, ())
    text = jobs.script(job, "doctor", site, kept.folder, ["doctor", "--inside", str(kept.folder)])
    files.replace(submission.script(kept, "doctor"), text.encode())
    try:
        number = queue.submit(submission.script(kept, "doctor"))
    except queue.SlurmError as error:
        raise Refusal("doctor", f"Slurm refuses its job: {error}", "mend the site file") from None
    try:
        yield number
    finally:
        queue.cancel([number])


def inside(kept: Store) -> int:
    """Look at the nodes of this job; return 0 if MPI starts on them, else 1."""
    found = journal.read(kept)
    if found is None or "SLURM_JOB_NODELIST" not in os.environ:
        raise Refusal("--inside", "this is no job of prk-bench slurm doctor", "leave it out")
    hosts = queue.hosts(os.environ["SLURM_JOB_NODELIST"])
    print(f"export      {exported(os.environ.get('SLURM_EXPORT_ENV', ''))}")
    # What follows is started as a sweep's launches are.
    os.environ.update(launcher.environment(False))
    words = [*found.site.wrapper, sys.executable, "-m", __name__, str(kept.folder)]
    every = doctor.run(step.on_every_node(len(hosts), words, nodes.NAME), STEP)
    print(folded(every.stdout, hosts))
    silent = [name for name in hosts if not re.search(rf"^{re.escape(name)}\t", every.stdout, re.MULTILINE)]
    for name in silent:
        print(f"{name}: Python cannot start prk there: {reason.said(every.stderr) or 'no answer'}")
    apart = min(2, len(hosts))
    layout = {"ranks": 2, "nodes": apart, "ranks_per_node": 2 // apart, "threads": 1}
    start = [*step.by_mpi(found.site, layout, hosts=hosts[:apart]), *found.site.wrapper]
    well = not silent
    for name, said, right in doctor.started(start, OTHERWISE):
        print(f"{name:<11} {said}")
        well &= right
    return 0 if well else 1


def exported(policy: str) -> str:
    """Return what the steps of a job get of its environment."""
    if policy in ("", "ALL"):
        return "steps get the environment of their job"
    return f"--export={policy} here: prk passes all on to its steps; for yours: export SLURM_EXPORT_ENV=ALL"


def folded(text: str, hosts: list[str]) -> str:
    """Return what nodes said, equal lines as one with the nodes' names, in the order of the first node's."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        node, _, rest = line.partition("\t")
        name, _, what = rest.partition("\t")
        if node in hosts and what:
            found.setdefault((name, what), []).append(node)
    order = {name: i for i, (name, _) in reversed(list(enumerate(found)))}
    lines = sorted(found.items(), key=lambda item: order[item[0][0]])
    every = "all nodes"
    return "\n".join(
        f"{name:<11} {every if len(on) == len(hosts) else ', '.join(on)}: {what}"
        for (name, what), on in lines
    )


def node(folder: str) -> int:
    """Print what this node is like, a line each: its name, what it is about, and what was found."""
    os.chdir(folder)
    # Of the step by which this itself was started.
    os.environ.pop("SLURM_STEP_NUM_TASKS", None)
    shared = f"{shutil.disk_usage('/dev/shm').free / 2**30:.1f} GiB free for windows that ranks share"
    for name, found in [*doctor.surroundings(), ("/dev/shm", shared)]:
        print(f"{os.environ.get('SLURMD_NODENAME', '')}\t{name}\t{found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(node(sys.argv[1]))
