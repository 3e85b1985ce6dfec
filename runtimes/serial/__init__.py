"""The canonical serial version, which every kernel brings along."""

from prk import runtime
from prk.job import Job, Outcome
from prk.team import Solo


class Runtime(runtime.Runtime):
    name = "serial"
    title = "one process, no communication"
    look = ("#6b6b6b", "*", (1, 1.2))

    def launch(self, job: Job) -> Outcome:
        return job.run(Solo())
