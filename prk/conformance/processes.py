"""Start a program with all that it starts itself, under a time limit, and leave none of it behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
# Every process that a program starts inherits it, whatever group or session it puts itself into.
MARK = "PRK_CONFORMANCE_MARK"
# Seconds in which what a program started must be gone after it.
GONE = 5


@dataclass(frozen=True)
class Ended:
    """How a program ended; `code` is None if it was ended at its limit."""

    code: int | None
    out: str
    err: str
    seconds: float
    # The command lines of processes that outlived it.
    left: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Return how it ended in one line, with the last thing it said that is no ruler."""
        said = [line.strip() for line in self.err.splitlines() if line.strip(" -*=")]
        # Our own line, or a traceback's last one, tells more than what a launcher says after it.
        errors = [line for line in said if line.startswith("prk.")]
        errors += [
            line for line in said if line.partition(":")[0].endswith(("Error", "Exception", "Refusal"))
        ]
        how = f"exit code {self.code}" if self.code is not None else f"no end in {self.seconds:.0f} s"
        return ": ".join([how, *(errors[:1] or said[-1:])])


def run(command: Sequence[str], limit: float, variables: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end or its limit, and end what it left."""
    mark = uuid.uuid4().hex
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, **(variables or {}), MARK: mark}
    # Not pipes: a process that was left behind would keep them open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            return Ended(2, "", f"there is no {command[0]} on the path", 0.0, ())
        code, left = _await(process, mark, limit)
        seconds = time.monotonic() - begin
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf8", "replace"))
    return Ended(code, said[0], said[1], seconds, left)


def _await(process: subprocess.Popen[bytes], mark: str, limit: float) -> tuple[int | None, tuple[str, ...]]:
    """Wait for a process; return its exit code, None at the limit, and what outlived it, ended by then."""
    left: tuple[str, ...] = ()
    code: int | None = None
    try:
        code = process.wait(limit)
        wait_until(lambda: not marked(mark), GONE)
        left = tuple(marked(mark).values())
    except subprocess.TimeoutExpired:
        pass
    finally:
        end(marked(mark))
        process.wait()
    return code, left


def marked(value: str, variable: str = MARK) -> dict[int, str]:
    """Return pid and command line of the living processes in whose environment the variable has the value."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{variable}={value}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = words.decode("utf8", "replace").strip()
        except OSError:
            continue
    return found


def end(pids: Mapping[int, str]) -> None:
    """Kill processes."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_until(what: Callable[[], T], seconds: float = 30) -> T:
    """Return what the function returns as soon as that is true, or what it returned last."""
    limit = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < limit:
        time.sleep(0.1)
    return found
