"""Where a run happens: launcher, memory, machine and versions, by public means only."""

import contextlib
import os
import platform
import re
import resource
import socket
import sys
from pathlib import Path
from typing import Any

from prk.run import launcher

# The variables by which a launcher tells a process its rank and the number of ranks, and what another one
# begins with that is there too, unless those were left behind: by it a process finds the launcher.
LAUNCHERS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_"),
    ("PMI_RANK", "PMI_SIZE", "PMI"),
    ("PALS_RANKID", "PALS_SIZE", ""),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", ""),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ""),
    ("RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
)

# Recorded variables, by prefix; anything that looks like a secret stays out whatever its prefix.
RECORDED = re.compile(
    r"^(OMPI_MCA|PMIX_MCA|PRTE_MCA|MPICH|MPIR_CVAR|I_MPI|UCX|FI|PSM2?|OMP|KMP|GOMP|NUMBA|SHMEM|SLURM|PRK|DASK|OMPI_COMM)_"
)
# What a record states in a place of its own, or not at all: a path tells of a person, not of a run, and what
# this package sets tells of neither.
ELSEWHERE = ("PRK_LAUNCH", "PRK_SWEEP", "OMPI_MCA_initial_wdir", "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING")
SECRET = re.compile(r"TOKEN|JWT|KEY|SECRET|PASS|AUTH|CRED|COOKIE", re.IGNORECASE)

CHECKOUT = Path(__file__).resolve().parents[2]
# Seconds that Git may take for an answer.
PATIENCE = 5
PROC = Path("/proc")
# Where a control group's memory is limited, by its controller as /proc names it (none in version 2): folder,
# limit, use, and what the names of its page cache begin with.
CONTROL_GROUPS = {
    "": (Path("/sys/fs/cgroup"), "memory.max", "memory.current", ""),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
}


def launched_by() -> tuple[str, str] | None:
    """Return the variables by which a launcher tells rank and ranks, or None when there is no launcher."""
    for rank, size, beside in LAUNCHERS:
        if not any(name.startswith(beside) for name in os.environ if name not in (rank, size)):
            continue
        if rank == "SLURM_PROCID" and launcher.at_a_terminal():
            continue
        if os.environ.get(rank, "").isdigit() and os.environ.get(size, "").isdigit():
            return rank, size
    return None


def launched() -> tuple[int, int] | None:
    """Return (rank, ranks) as the launcher's variables tell, or None when there is no launcher."""
    found = launched_by()
    return (int(os.environ[found[0]]), int(os.environ[found[1]])) if found else None


def speaks() -> bool:
    """Tell whether this process is one that prints: the launcher's rank 0, or the only process.

    So is what a person has started, whatever a launcher that is gone left in its environment.
    """
    # torchrun passes its terminal on to all ranks; no other launcher does.
    by_hand = os.isatty(0) and "TORCHELASTIC_RUN_ID" not in os.environ
    return by_hand or (launched() or (0, 1))[0] == 0


def node() -> str:
    """Return the name of this process's node: Slurm's, of which several may share a host, else the host's."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def address() -> str:
    """Return an address that this host's name leads to, the loopback only for want of another; or ""."""
    try:
        found = [str(a[4][0]) for a in socket.getaddrinfo(socket.gethostname(), None)]
    except OSError:
        return ""
    return next((a for a in found if not a.startswith("127.") and a != "::1"), found[0])


def disabled() -> str | None:
    """Say which variable keeps any kernel from running, and what helps, or return None."""
    with contextlib.suppress(ValueError):
        if int(os.environ.get("NUMBA_DISABLE_JIT", "0")):
            return "NUMBA_DISABLE_JIT is set, and kernels run compiled only: unset it"
    return None


def available_memory() -> int:
    """Return the bytes that this process's node, or its control group, can still give."""
    meminfo = PROC / "meminfo"
    if not meminfo.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
    available = int(found[1]) * 1024 if found else sys.maxsize
    return min([available, *_control_group_room()])


def _control_group_room() -> list[int]:
    """Return the bytes left in each control group, of version 1 or 2, that limits this process."""
    try:
        lines = (PROC / "self/cgroup").read_text().splitlines()
    except OSError:
        return []
    room = []
    for line in lines:
        _, controllers, own = line.split(":", 2)
        for controller in CONTROL_GROUPS.keys() & set(controllers.split(",")):
            root, limit, used, cached = CONTROL_GROUPS[controller]
            # A container sees its own group as the root, whatever its path is.
            for group in {root, *(root / own.strip("/") / "x").parents} - set(root.parents):
                with contextlib.suppress(OSError, ValueError):
                    room.append(int((group / limit).read_text()) - _held(group, used, cached))
    return room


def _held(group: Path, used: str, cached: str) -> int:
    """Return the bytes that a control group holds but for the page cache, which gives way to others."""
    stat: dict[str, str] = {}
    with contextlib.suppress(OSError):
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    files = sum(int(stat.get(f"{cached}{kind}_file", 0)) for kind in ("active", "inactive"))
    return int((group / used).read_text()) - files


def own_memory() -> int:
    """Return the bytes that this process may still map, by `ulimit -v` and `ulimit -d`."""
    try:
        pages = (PROC / "self/statm").read_text().split()
    except OSError:
        return sys.maxsize
    room = [sys.maxsize]
    for kind, place in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            room.append(limit - int(pages[place]) * resource.getpagesize())
    return min(room)


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
    """Return commit and dirty flag of the checkout that this package runs from, or None if installed.

    Whether it is dirty is None where Git cannot tell; where it cannot tell the commit either, all is.
    """
    # Imported for whoever asks: a run without a record does not.
    import subprocess

    if not (CHECKOUT / ".git").exists():
        return None
    # Variables of another checkout, as a hook of Git has them, would name that one.
    variables = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def ask(*words: str) -> str | None:
        command = ["git", "--no-optional-locks", "-C", str(CHECKOUT), *words]
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        try:
            # A large file system may answer late, and Git refuse the checkout of somebody else.
            done = subprocess.run(command, timeout=PATIENCE, check=True, env=variables, **quiet)
            return str(done.stdout).strip()
        except (OSError, ValueError, subprocess.SubprocessError):
            return None

    commit = ask("rev-parse", "HEAD")
    changes = ask("status", "--porcelain") if commit else None
    return {"commit": commit, "dirty": None if changes is None else bool(changes)} if commit else None


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
