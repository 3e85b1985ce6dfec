"""What one launch is asked to do, and how it ended."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prk.problem import Problem
from prk.team import Team

# The exit code of a right answer that outlived members of its team.
OUTLIVED = 3


@dataclass(frozen=True)
class Outcome:
    """The exit code, with the line that explains a refusal (on the first member only)."""

    code: int
    message: str = ""


@dataclass(frozen=True)
class Job:
    """What one launch is asked to do; travels to members that other processes hold."""

    kernel: str
    runtime: str
    problem: Problem
    options: Mapping[str, Any]
    repeat: int = 1
    expect_ranks: int | None = None
    json: str | None = None
    # Repetitions that are split into computing, communicating and waiting afterwards; 0: none.
    split: int = 0
    # Where their timeline is written.
    trace: str | None = None
    # Where copies on disk lie while a run with faults lasts; None: in the node's temporary folder.
    folder: str | None = None
    quiet: bool = False
    argv: tuple[str, ...] = ()
    # What every member runs, as module:function; the tests put their own programs on every runtime.
    program: str = "prk.run.member:run"

    def run(self, comm: Team) -> Outcome:
        """Run the program as one member of the team `comm`."""
        module, _, function = self.program.partition(":")
        outcome: Outcome = getattr(importlib.import_module(module), function)(self, comm)
        return outcome
