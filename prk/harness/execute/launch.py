"""Start one command, wait for its end or its limit, and leave no process behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prk.harness.execute.command import MARK

# What is kept of each stream for the verdict; the whole of it stays in the log.
KEPT = 65536
# Seconds that a launcher gets to clean up after SIGTERM.
PATIENCE = 3.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: the signal), wall seconds, the ends of its streams."""

    code: int
    seconds: float
    out: str = ""
    err: str = ""
    timed_out: bool = False
    # Whether the kernel ended a process for want of memory meanwhile.
    oom: bool = False
    # Processes of the launch that were still there after its end, and were ended.
    leftovers: int = 0


def run(command: Sequence[str], environment: Mapping[str, str], limit: float, log: Path) -> Ended:
    """Run the command for at most `limit` seconds; its streams go to log.out and log.err.

    The whole process group ends with it, and whatever left the group but carries the mark. An
    exception, such as KeyboardInterrupt, ends them too. Raises OSError if it cannot be started.
    """
    out, err = log.with_suffix(".out"), log.with_suffix(".err")
    kills = _oom_kills()
    start = time.monotonic()
    timed_out, leftovers = False, 0
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            seconds = time.monotonic() - start
            _end(process)
            leftovers = end_marked(environment.get(MARK, ""))
    return Ended(
        process.returncode, seconds, tail(out), tail(err), timed_out, _oom_kills() > kills, leftovers
    )


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the harness dies, however it dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group: a launcher may first tell its ranks."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_marked(mark: str, patience: float = 1.0) -> int:
    """End the processes whose environment holds the mark; return how many did not end by themselves."""
    deadline = time.monotonic() + patience
    found = marked(mark)
    while found and time.monotonic() < deadline:
        time.sleep(0.02)
        found = marked(mark)
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def marked(mark: str) -> list[int]:
    """Return the processes, other than zombies, whose environment holds the mark."""
    if not mark:
        return []
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            # A zombie's environment is empty; others' processes cannot be read.
            with contextlib.suppress(OSError), open(f"/proc/{entry.name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(entry.name))
    return found


def tail(path: Path) -> str:
    """Return the end of a file, whatever bytes are in it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - KEPT))
        return file.read().decode(errors="replace")


def _oom_kills() -> int:
    """Return how many processes the kernel has ended for want of memory, where it counts them."""
    with contextlib.suppress(OSError), open("/proc/vmstat") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
