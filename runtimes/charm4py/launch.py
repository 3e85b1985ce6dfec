"""Start the processing elements: charmrun and its processes, none of which outlives this process."""

import base64
import ctypes
import os
import pickle
import signal
import subprocess
import sys

from prk.job import Job

from .chares import charmrun

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
# Whether this process, or the one that it was made from, has asked for that.
dies_with_parent = False


def die_with_parent() -> None:
    """Ask the kernel to end this process with the one that started it, however that one ends."""
    global dies_with_parent
    dies_with_parent = True
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(job: Job, pes: int, grid: bool) -> int:
    """Run the job on `pes` new processes; return their exit code."""
    packed = base64.urlsafe_b64encode(pickle.dumps((job, grid))).decode()
    command = [sys.executable, "-m", f"{__package__}.element", packed, "++quiet"]
    if pes > 1:
        command = [str(charmrun()), "++local", "++quiet", f"+p{pes}", *command]
    # What they print goes through this process: charmrun, or the first of them, would end with a closed pipe.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    try:
        for line in process.stdout or ():
            print(line.decode(errors="replace"), end="", flush=True)
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    return code if code in (0, 1, 2) else 1


def unpack(packed: str) -> tuple[Job, bool]:
    """Return the job that `run` passed on the command line, and whether its chares lie on a grid."""
    if os.getppid() == 1:
        sys.exit(1)
    return pickle.loads(base64.urlsafe_b64decode(packed))
