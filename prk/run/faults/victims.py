"""The processes of a run as they are seen from outside: who they are, how they end, when that was."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from prk.run import environment

# Seconds between two looks at whether the run goes on.
LOOK = 0.005
# The file by which a run says that it is over.
OVER = "over"


class Process(NamedTuple):
    """A member's process: its number when the run started, node, process id, and when it began."""

    member: int
    node: str
    pid: int
    began: str

    @staticmethod
    def own(member: int) -> "Process":
        return Process(member, environment.node(), os.getpid(), _began(os.getpid()) or "")

    @property
    def lives(self) -> bool:
        """Tell whether it is there on this node, and no other process has its number by now."""
        return _began(self.pid) == self.began

    def end(self, folder: Path | None = None, number: int = signal.SIGKILL) -> None:
        """Kill it, having noted when in the folder."""
        if self.lives:
            if folder:
                note(folder, self.member)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _began(pid: int) -> str | None:
    """Return when a process began; None if there is none, or only what is left of one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if stat[0] in "ZX" else stat[19]


def note(folder: Path, member: int) -> None:
    """Note that a member is about to die: by a clock that all processes of a node share."""
    with contextlib.suppress(OSError):
        (folder / f"death-{member}").write_text(repr(time.perf_counter()))


def death(folder: Path, member: int) -> float | None:
    """Return when a member died, if anybody noted that."""
    try:
        return float((folder / f"death-{member}").read_text())
    except (OSError, ValueError):
        return None


def spare(folder: Path) -> None:
    """Let nobody be killed from outside any more: the answer is there and checked."""
    (folder / OVER).touch()


def kill(processes: Sequence[Process], folder: Path, seconds: float, seed: int) -> None:
    """Kill one of these processes every so many seconds on average, until the run is over or one is left.

    What lies between two kills is drawn from an exponential distribution; seed 0: as the machine likes.
    """
    # Only the process that kills needs it.
    import random

    drawn = random.Random(seed or None)
    due = time.perf_counter() + drawn.expovariate(1 / seconds)
    while folder.is_dir() and not (folder / OVER).exists():
        living = [p for p in processes if p.lives]
        if not living:
            return
        if time.perf_counter() >= due:
            if len(living) > 1:
                drawn.choice(living).end(folder)
            due += drawn.expovariate(1 / seconds)
        time.sleep(LOOK)


def main(words: Sequence[str]) -> None:
    """Kill as a run's first process on a node asks."""
    asked = json.loads(words[0])
    kill([Process(*p) for p in asked["processes"]], Path(asked["folder"]), asked["seconds"], asked["seed"])


if __name__ == "__main__":
    main(sys.argv[1:])
