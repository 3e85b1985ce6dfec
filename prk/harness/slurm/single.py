"""One run of a kernel on the nodes of a job, without a sweep: what jobs/slurm/prk.sbatch starts."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from prk import cli
from prk.harness.slurm import step
from prk.harness.slurm.site import Site
from prk.problem import Refusal
from prk.run import launcher, registry

# How many tasks each node has, which Slurm always says.
TASKS = "SLURM_TASKS_PER_NODE"
EACH = re.compile(r"(\d+)(?:\(x(\d+)\))?")


def main(words: Sequence[str], variables: Mapping[str, str] = os.environ) -> int:
    """Run the kernel that the words name on all nodes of this job; return the exit code."""
    try:
        # Where a launcher leaves files; those of the program itself belong where the job was submitted.
        with tempfile.TemporaryDirectory(dir=".", prefix="prk-") as shared:
            command = command_of(words, variables, str(Path(shared).absolute()))
            variables = {**os.environ, **launcher.environment(False)}
            return subprocess.run(command, env=variables, check=False).returncode
    except Refusal as refusal:
        print(f"prk.sbatch: {refusal}", file=sys.stderr)
        return 2


def command_of(words: Sequence[str], variables: Mapping[str, str], shared: str) -> list[str]:
    """Return the command of the run. Raises Refusal where job and kernel do not fit together."""
    if not words:
        raise Refusal("KERNEL", "none is named", "as: stencil --runtime mpi1 --n 49152")
    kernel, *own = words
    if kernel not in registry.kernels():
        raise Refusal("KERNEL", f"there is no {kernel!r}", f"use one of {', '.join(registry.kernels())}")
    if not any(word.partition("=")[0] == "--runtime" for word in own):
        own = ["--runtime", registry.BASELINE, *own]
    job, _ = cli.parse(kernel, own)
    how, layout = registry.runtime(job.runtime), layout_of(variables)
    options = dict(job.options)
    if not how.launched and how.count_option in ("", "threads"):
        # One process, whatever the job could hold.
        layout = {**layout, "ranks": 1, "nodes": 1, "ranks_per_node": 1}
    elif not how.launched and not options[how.count_option]:
        options[how.count_option] = layout["ranks"]
        own += [f"--{how.count_option}", str(layout["ranks"])]
    if job.json:
        own += ["--json", str(Path(job.json).absolute())]
    mpi = variables.get("PRK_SRUN", "")
    site = Site(launcher="srun" if mpi else "mpirun", mpi=mpi, bind=variables.get("PRK_BIND", "core"))
    start = step.by_mpi(site, layout) if how.launched else step.srun(site, layout)
    program = [sys.executable, "-m", registry.package_of(kernel), *own]
    return how.in_allocation(start, program, options, shared)


def layout_of(variables: Mapping[str, str]) -> dict[str, int]:
    """Return the layout that the job was submitted with."""
    if "SLURM_JOB_NUM_NODES" not in variables:
        raise Refusal(
            "prk.sbatch", "this is no job", "submit it: sbatch -N 4 --ntasks-per-node 24 prk.sbatch ..."
        )
    nodes = int(variables["SLURM_JOB_NUM_NODES"])
    each = variables.get("SLURM_NTASKS_PER_NODE", "1").partition("(")[0]
    ranks = int(variables.get("SLURM_NTASKS", 0))
    # Without -n the number of whoever submitted this, from another job, is still there.
    if not ranks or (TASKS in variables and ranks != tasks(variables[TASKS])):
        ranks = nodes * int(each)
    if ranks % nodes:
        raise Refusal(
            "-n", f"{ranks} tasks do not fill {nodes} nodes evenly", f"use {-(-ranks // nodes) * nodes}"
        )
    threads = int(variables.get("SLURM_CPUS_PER_TASK", "1"))
    return {"ranks": ranks, "nodes": nodes, "ranks_per_node": ranks // nodes, "threads": threads}


def tasks(expression: str) -> int:
    """Return how many tasks there are in a list of those on each node, as 2(x3),1."""
    return sum(int(count) * int(times or 1) for count, times in EACH.findall(expression))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
