"""Where a run happens: launcher, memory, machine and versions, by public means only."""

import os
import platform
import re
import socket
import sys
from pathlib import Path
from typing import Any

# The variables by which a launcher tells a process its rank and the number of ranks, and one more that must
# be there where those have names that anybody may use, as torchrun's.
LAUNCHERS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ""),
    ("PMI_RANK", "PMI_SIZE", ""),
    ("PALS_RANKID", "PALS_SIZE", ""),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", ""),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ""),
    ("RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
)

# Recorded variables, by prefix; anything that looks like a secret stays out whatever its prefix.
RECORDED = re.compile(
    r"^(OMPI_MCA|PMIX_MCA|PRTE_MCA|MPICH|MPIR_CVAR|I_MPI|UCX|FI|PSM2?|OMP|KMP|GOMP|NUMBA|SHMEM|SLURM|PRK|DASK|OMPI_COMM)_"
)
# What a record states in a place of its own, or not at all: a path tells of a person, not of a run.
ELSEWHERE = ("PRK_LAUNCH", "OMPI_MCA_initial_wdir")
SECRET = re.compile(r"TOKEN|JWT|KEY|SECRET|PASS|AUTH|CRED|COOKIE", re.IGNORECASE)


def launched() -> tuple[int, int] | None:
    """Return (rank, ranks) as the launcher's variables tell, or None when there is no launcher."""
    for rank, size, beside in LAUNCHERS:
        if beside and beside not in os.environ:
            continue
        if os.environ.get(rank, "").isdigit() and os.environ.get(size, "").isdigit():
            return int(os.environ[rank]), int(os.environ[size])
    return None


def speaks() -> bool:
    """Tell whether this process is the one that prints: the launcher's rank 0, or the only process."""
    return (launched() or (0, 1))[0] == 0


def node() -> str:
    """Return the name of this process's node: Slurm's, of which several may share a host, else the host's."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def available_memory() -> int:
    """Return the bytes that this process's node, or its control group, can still give."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
    available = int(found[1]) * 1024 if found else sys.maxsize
    return min([available, *_control_group_room()])


def _control_group_room() -> list[int]:
    """Return the bytes left in each control group (version 2) that limits this process."""
    try:
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("::/")[2]
    except OSError:
        return []
    room = []
    for group in (Path("/sys/fs/cgroup", own), *Path("/sys/fs/cgroup", own).parents):
        try:
            limit = (group / "memory.max").read_text().strip()
            if limit != "max":
                room.append(int(limit) - int((group / "memory.current").read_text()))
        except (OSError, ValueError):
            continue
    return room


def cpu_model() -> str:
    """Return the processor's name."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def governor() -> str | None:
    """Return the frequency governor of the first core, where the kernel shows it."""
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return None


def git_state() -> dict[str, Any] | None:
    """Return commit and dirty flag of the checkout that this package runs from, or None if installed."""
    # Imported for whoever asks: a run without a record does not.
    import shutil
    import subprocess

    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists() or not shutil.which("git"):
        return None

    def ask(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=False
        )
        return done.stdout.strip()

    return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}


def capture() -> dict[str, Any]:
    """Return what a record keeps of this machine, its software and its environment variables."""
    import llvmlite
    import numba
    import numpy

    return {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "git": git_state(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "governor": governor(),
        "memory": available_memory(),
        "variables": {
            k: v
            for k, v in sorted(os.environ.items())
            if RECORDED.match(k) and not SECRET.search(k) and k not in ELSEWHERE
        },
    }
