"""Slurm's own commands: submit, ask, cancel. What they say is read here and nowhere else."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prk.harness.slurm.site import seconds
from prk.problem import Refusal

LIVE = {
    *("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"),
    *("REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
}
# The state of a job that Slurm has forgotten, and says nothing more of.
FORGOTTEN = "FORGOTTEN"
FIELD = re.compile(r"(\w+)=(\S*)")
# A step that the kernel ended for want of memory, whatever its job made of it.
OOM = "0:125"


@dataclass(frozen=True)
class State:
    """What Slurm says of a job: its word for the state, why, its exit code."""

    state: str
    reason: str = ""
    code: str = ""

    @property
    def live(self) -> bool:
        return self.state in LIVE


@dataclass(frozen=True)
class Partition:
    """What a partition has: nodes, the most cores on one, the longest time of a job (0: no limit)."""

    name: str
    nodes: int
    cores: int
    seconds: int


class SlurmError(Exception):
    """One of Slurm's commands said no: its own line."""


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for Slurm's commands and for jobs.

    Variables that would change what a script asks for are left out, also those of a job that this runs in.
    """
    return {
        k: v for k, v in base.items() if k == "SLURM_CONF" or not k.startswith(("SBATCH_", "SLURM_", "SRUN_"))
    }


def ask(words: Sequence[str], limit: float = 60) -> str:
    """Return what a command prints. Raises SlurmError with its own words, Refusal if it is not there."""
    if shutil.which(words[0]) is None:
        raise Refusal(words[0], "it is not on the path", "run this where Slurm is, as a login node")
    try:
        done = subprocess.run(
            list(words), capture_output=True, text=True, timeout=limit, check=False, env=environment()
        )
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]} did not answer in {limit:g} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [
            f"exit code {done.returncode}"
        ]
        raise SlurmError(lines[-1].removeprefix(f"{words[0]}: error: "))
    return done.stdout


def answers() -> bool:
    """Tell whether this is a machine of a cluster that works."""
    try:
        return bool(ask(["sinfo", "--noheader"], 20))
    except (Refusal, SlurmError):
        return False


def submit(script: Path, after: Sequence[str] = ()) -> str:
    """Submit a script, to start when the jobs `after` have ended in any way; return the job's number."""
    words = ["sbatch", "--parsable", *([f"--dependency=afterany:{':'.join(after)}"] if after else [])]
    return ask([*words, str(script)]).strip().partition(";")[0]


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs, or steps; those that have ended are no error."""
    ask(["scancel", "--quiet", *jobs])


def steps(job: str) -> list[str]:
    """Return the running steps of a job that programs are started in."""
    names = ask(["squeue", "--noheader", "--steps", f"--jobs={job}", "--format=%i"]).split()
    return [n for n in names if n.rpartition(".")[2].isdigit()]


def hosts(expression: str) -> list[str]:
    """Return the names that a list such as n[1-4] stands for."""
    return ask(["scontrol", "show", "hostnames", expression]).split()


def state(job: str) -> State:
    """Return what has become of a job; from the accounting where Slurm itself has forgotten it."""
    try:
        return described(ask(["scontrol", "show", "job", "--details", "--oneliner", job]))
    except SlurmError as error:
        if "Invalid job id" not in str(error):
            raise Refusal("slurm", f"it does not answer ({error})", "try again later") from None
    if shutil.which("sacct"):
        try:
            return accounted(
                ask(["sacct", "-X", "-n", "-P", "-j", job, "-o", "State,ExitCode,DerivedExitCode"])
            )
        except SlurmError:
            return State(FORGOTTEN)
    return State(FORGOTTEN)


def described(text: str) -> State:
    """Read what `scontrol show job -d -o` prints of a job."""
    fields = dict(reversed(FIELD.findall(text)))
    name = fields.get("JobState", FORGOTTEN)
    if name not in LIVE and fields.get("DerivedExitCode") == OOM:
        name = "OUT_OF_MEMORY"
    reason = fields.get("Reason", "")
    return State(name, "" if reason == "None" else reason, fields.get("ExitCode", ""))


def accounted(text: str) -> State:
    """Read what `sacct -X -n -P -o State,ExitCode,DerivedExitCode` prints of a job."""
    if not text.strip():
        return State(FORGOTTEN)
    # The last line is the latest run; CANCELLED is followed by who did it.
    name, code, derived = text.strip().splitlines()[-1].split("|")
    name = name.split()[0]
    return State("OUT_OF_MEMORY" if name not in LIVE and derived == OOM else name, "", code)


def partition(name: str) -> Partition:
    """Return the partition called `name`, or the cluster's default. Raises Refusal if there is none."""
    words = ["sinfo", "--noheader", "--format=%P %D %c %l", *([f"--partition={name}"] if name else ["--all"])]
    try:
        lines = [line.split() for line in ask(words).splitlines()]
        every = lines if name else [line for line in lines if line[0].endswith("*")]
        if not every:
            others = sorted(
                {line[0].rstrip("*") for line in map(str.split, ask([*words[:3], "--all"]).splitlines())}
            )
            what = "there is no such partition" if name else "the cluster has no default partition"
            raise Refusal(f"partition {name}".strip(), what, f"use one of {', '.join(others)}")
    except SlurmError as error:
        raise Refusal("sinfo", f"Slurm does not answer ({error})", "try again later") from None
    limit = every[0][3]
    return Partition(
        every[0][0].rstrip("*"),
        sum(int(line[1]) for line in every),
        max(int(line[2].rstrip("+")) for line in every),
        0 if limit in ("infinite", "n/a") else seconds(limit, "sinfo"),
    )
