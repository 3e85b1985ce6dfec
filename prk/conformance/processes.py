"""Start a program under a time limit with what it said at hand, and leave none of it behind."""

import os
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prk.run import launcher, processes, reason
from prk.run.processes import Mark

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
        """Return how it ended in one line, with the cause that it names."""
        how = f"exit code {self.code}" if self.code is not None else f"no end in {self.seconds:.0f} s"
        return ": ".join(filter(None, [how, reason.said(self.err)]))


def run(command: Sequence[str], limit: float, variables: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end or its limit, and end what it left; again if its launcher started nothing."""
    ended = _run(command, limit, variables)
    return _run(command, limit, variables) if launcher.UNSTARTED in ended.err else ended


def _run(command: Sequence[str], limit: float, variables: Mapping[str, str] | None) -> Ended:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, **(variables or {})}
    mark = Mark(MARK, uuid.uuid4().hex)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            ended = processes.run(command, environment, limit, (out, err), mark, GONE)
        except FileNotFoundError:
            return Ended(2, "", f"there is no {command[0]} on the path", 0.0, ())
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf8", "replace"))
    code = None if ended.timed_out else ended.code
    return Ended(code, said[0], said[1], ended.seconds, ended.left)
