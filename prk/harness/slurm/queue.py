"""Slurm's own commands: submit, ask, cancel. What they say is read here and nowhere else."""

import math
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
    """What Slurm says of a job: its word for the state, why, its exit code, the list of its nodes."""

    state: str
    reason: str = ""
    code: str = ""
    nodes: str = ""

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
    refuse_without(words[0])
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


def refuse_without(command: str) -> None:
    """Raise Refusal if one of Slurm's commands is not on the path."""
    if shutil.which(command) is None:
        raise Refusal(command, "it is not on the path", "run this where Slurm is, as on a login node")


def answers() -> bool:
    """Tell whether this is a machine of a cluster that works."""
    try:
        return bool(ask(["sinfo", "--noheader"], 10))
    except (Refusal, SlurmError):
        return False


def submit(script: Path, after: Sequence[str] = ()) -> str:
    """Submit a script, to start when the jobs `after` have ended in any way; return the job's number."""
    words = ["sbatch", "--parsable", *([f"--dependency=afterany:{':'.join(after)}"] if after else [])]
    return ask([*words, str(script)]).strip().partition(";")[0]


def waiting(script: Path) -> str:
    """Return the number of the job that the script was submitted as and that waits or runs, or nothing."""
    rows = ask(["squeue", "--noheader", "--me", "--format=%A %o"]).splitlines()
    found = dict(row.split(" ", 1)[::-1] for row in rows)
    return found.get(str(script), "")


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs, or steps; those that have ended are no error."""
    ask(["scancel", "--quiet", *jobs])


def steps(job: str, but: str) -> list[str]:
    """Return the running steps of a job that programs are started in, without those called `but`."""
    rows = ask(["squeue", "--noheader", "--steps", f"--jobs={job}", "--format=%i %j"]).splitlines()
    found = [(number, name.strip()) for number, _, name in (row.partition(" ") for row in rows)]
    return [number for number, name in found if number.rpartition(".")[2].isdigit() and name != but]


def time_left(job: str) -> float:
    """Return the seconds that a job has left; infinity if Slurm does not say."""
    try:
        said = ask(["squeue", "--noheader", f"--jobs={job}", "--format=%L"]).strip()
        return seconds(said, "squeue")
    except (Refusal, SlurmError):
        return math.inf


def broken(nodes: Sequence[str]) -> list[str]:
    """Return a line for each of the nodes that Slurm takes for broken: its name and state."""
    rows = ask(["sinfo", "--noheader", "--Node", f"--nodes={','.join(nodes)}", "--format=%N %T"]).splitlines()
    found = dict(row.split() for row in rows)
    # One that is drained meanwhile still runs what it has.
    return [
        f"{name} does not answer" if state.endswith("*") else f"{name} is {state}"
        for name, state in found.items()
        if state.endswith("*") or state.startswith(("down", "fail", "error"))
    ]


def lost(job: str, nodes: Sequence[str]) -> list[str]:
    """Return a line for each of the nodes that a running job had and has not any more."""
    said = ask(["squeue", "--noheader", f"--jobs={job}", "--format=%N"]).strip()
    left = hosts(said) if said else nodes
    return [f"{name} is lost to the job" for name in nodes if name not in left]


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
    reason, nodes = (
        "" if fields.get(key, "") in ("None", "(null)") else fields.get(key, "")
        for key in ("Reason", "NodeList")
    )
    return State(name, reason, fields.get("ExitCode", ""), nodes)


def accounted(text: str) -> State:
    """Read what `sacct -X -n -P -o State,ExitCode,DerivedExitCode` prints of a job."""
    if not text.strip():
        return State(FORGOTTEN)
    # The last line is the latest run; CANCELLED is followed by who did it.
    name, code, derived = text.strip().splitlines()[-1].split("|")
    name = name.split()[0]
    return State("OUT_OF_MEMORY" if name not in LIVE and derived == OOM else name, "", code)


def partition(names: str) -> Partition:
    """Return the partition of that name, the largest of several, or the default one. Raises Refusal."""
    try:
        said = ask(["sinfo", "--noheader", "--all", "--format=%P %D %z %l"])
    except SlurmError as error:
        raise Refusal("sinfo", f"Slurm does not answer ({error})", "try again later") from None
    try:
        return _partition(said, names)
    except ValueError:
        raise Refusal("sinfo", f"it says {said.splitlines()[0]!r}", "this prk reads another form") from None


def _partition(said: str, names: str) -> Partition:
    found: dict[str, Partition] = {}
    default = ""
    # A line for each kind of nodes in a partition; the default one has a star.
    for name, nodes, parts, limit in map(str.split, said.splitlines()):
        if name.endswith("*"):
            default = name = name.rstrip("*")
        before = found.get(name)
        found[name] = Partition(
            name,
            int(nodes) + (before.nodes if before else 0),
            max(_cores(parts), before.cores if before else 0),
            0 if limit in ("infinite", "n/a") else seconds(limit, "sinfo"),
        )
    wanted = names.split(",") if names else [default]
    for name in wanted:
        if name not in found:
            what = "there is no such partition" if name else "the cluster has no default one"
            raise Refusal(f"partition {name}".strip(), what, f"use one of {', '.join(found)}")
    return max((found[name] for name in wanted), key=lambda p: p.nodes)


def _cores(parts: str) -> int:
    """Return the cores in sockets, cores and threads, as 2:12:2, or 2:12+:2 where some nodes have more."""
    sockets, cores, _ = (int(part.rstrip("+")) for part in parts.split(":"))
    return sockets * cores
