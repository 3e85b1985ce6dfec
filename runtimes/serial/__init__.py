"""The canonical serial version, which every kernel brings along."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prk import runtime
from prk.job import Job, Outcome
from prk.runtime import Cell, Clocks, Lane, Spent
from prk.team import Solo


class Alone:
    """Clocks of one process that neither communicates nor waits."""

    def spent(self) -> Spent:
        return Spent()

    def lane(self, since: float) -> Lane:
        return Lane(())

    def ahead(self) -> float:
        return 0.0


class Runtime(runtime.Runtime):
    name = "serial"
    title = "one process, no communication"
    look = ("#6b6b6b", "*", (1, 1.2))
    mortal = "it has no other member"
    unclocked = ""
    # NumPy has no other type; and where nothing travels, nothing is rounded.
    cells = {
        "ddp": Cell(only={"gradients": ("float32",)}),
        "layers": Cell(only={"dtype": ("float32",)}),
    }

    def clocked(self, comm: Any, calls: int) -> AbstractContextManager[tuple[Any, Clocks | None]]:
        return nullcontext((comm, Alone()))

    def launch(self, job: Job) -> Outcome:
        return job.run(Solo())
