"""A kernel that only sleeps, to show that chares which take turns are timed together."""

import sys
import time

from prk import kernel
from prk.job import Job, Outcome
from prk.run import registry, timing

NAP = 0.05


def run(job, comm):
    """Let every member nap once a repetition; the time must be that of all naps of a processing element."""
    from prk.runtimes.charm4py.team import Timed

    class Nap(kernel.Kernel):
        def setup(self):
            pass

        def step(self):
            time.sleep(NAP)

        def fields(self):
            return {}

    class Chare(Timed, Nap):
        pass

    napping, sample = timing.measure(lambda: Chare(job.problem, comm, job.options), comm, job.problem)
    napping.fields()
    # A check that takes long; it must not count.
    time.sleep(10 * NAP)
    samples = comm.gather(sample)
    if comm.rank == 0:
        print("naps", max(s.repetition for s in samples) / NAP, flush=True)
    return Outcome(0)


if __name__ == "__main__":
    problem = registry.problem_class("nstream")(iterations=2)
    options = {"pe": 2, "overdecomposition": 3}
    job = Job("nstream", "charm4py", problem, options, program="tests.naps:run")
    sys.exit(registry.runtime("charm4py").launch(job).code)
