"""Start programs as users do, under a time limit, leaving no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from prk.run import launcher, registry
from prk.run.processes import Mark, marked, wait_until

__all__ = ["wait_until"]

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMI", "PRTE_", "SLURM_"))},
    "PATH": f"{BIN}:{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    # More ranks than cores: a waiting rank gives its core away.
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_osc": "^ucx",
}


def run(*command, seconds=120, cwd=ROOT, **environment):
    """Run a command to its end or its limit; its whole process group ends with it."""
    done = started(command, seconds, cwd, environment)
    return started(command, seconds, cwd, environment) if launcher.UNSTARTED in done.stderr else done


def started(command, seconds, cwd, environment):
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**ENVIRONMENT, **environment},
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"{command} did not end in {seconds} s\n{out}\n{err}") from None
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def team(name, size):
    """Return the words before `python` and the words after the program that start a team of `size`."""
    how = registry.runtime(name)
    if how.launched:
        return launcher.words({"ranks": size}, unbound=how.unbound), []
    return [], [f"--{how.count_option}", size] if how.count_option else []


def kernel(name, *arguments, size=1, on=None, **more):
    """Run `python -m prk.<name>` on a team of `size` of runtime `on` (default: mpi1 if size > 1)."""
    before, after = team(on or ("mpi1" if size > 1 else "serial"), size)
    chosen = ["--runtime", on] if on else []
    return run(*before, sys.executable, "-m", f"prk.{name}", *chosen, *after, *arguments, **more)


def mpirun(size, *command, **more):
    return run("mpirun", "-n", size, sys.executable, *command, **more)


def own_lines(done):
    """Return the lines on standard error that are ours, not the launcher's."""
    return [line for line in done.stderr.splitlines() if line.startswith("prk")]


def processes(mark):
    """Return pid and command line of the living processes that carry the mark in their environment."""
    return marked(Mark("PRK_TEST_MARK", mark))
