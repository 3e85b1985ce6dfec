"""Start one launch's command, and keep what its end says of it."""

import contextlib
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prk.harness.execute.command import MARK
from prk.run import processes
from prk.run.processes import Mark

# What is kept of both ends of each stream for the verdict; the whole of it stays in the log.
KEPT = 65536


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: the signal), wall seconds, what its streams say."""

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

    All that it started ends with it, and with an exception, such as KeyboardInterrupt. Raises OSError if it
    cannot be started.
    """
    out, err = log.with_suffix(".out"), log.with_suffix(".err")
    kills = _oom_kills()
    mark = Mark(MARK, environment.get(MARK) or uuid.uuid4().hex)
    with out.open("wb") as to_out, err.open("wb") as to_err:
        ended = processes.run(command, environment, limit, (to_out, to_err), mark)
    oom = _oom_kills() > kills
    return Ended(ended.code, ended.seconds, ends(out), ends(err), ended.timed_out, oom, len(ended.left))


def ends(path: Path) -> str:
    """Return the beginning and the end of a file, which may be all of it, whatever bytes are in it."""
    with path.open("rb") as file:
        found = file.read(KEPT)
        rest = file.seek(0, os.SEEK_END) - KEPT
        if rest > 0:
            file.seek(-min(rest, KEPT), os.SEEK_END)
            found += (b"\n" if rest > KEPT else b"") + file.read()
    return found.decode(errors="replace")


def _oom_kills() -> int:
    """Return how many processes the kernel has ended for want of memory, where it counts them."""
    with contextlib.suppress(OSError), open("/proc/vmstat") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
