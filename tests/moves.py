"""Parts of PIC and AMR that Charm moves again and again: all is right, and goes on from what was saved."""

import sys
from typing import Any

from prk import coverage
from prk.amr.problem import Amr
from prk.check import combined
from prk.job import Job, Outcome
from prk.pic.problem import Pic
from prk.run import registry
from tests.launch import ROOT

EVENTS = str(ROOT / "tests/kernels/pic-events")
PIC: dict[str, Any] = {"balance": "runtime", "period": 1, "axes": "both"}
AMR: dict[str, Any] = {"variant": "blocks", "lb_period": 1}
# Particles that come and go; refinements that stay where the background is, or have members of their own.
CASES = (
    ("pic", Pic(n=24, particles=700, iterations=7, rho=0.8, audit=3, events=EVENTS), PIC),
    ("amr", Amr(n=60, refinement=20, level=1, radius=2, iterations=9, balance="no-talk"), AMR),
    ("amr", Amr(n=61, refinement=21, level=0, radius=2, iterations=9, balance="high-water"), AMR),
)


def run(job, comm):
    """Run all cases as one member; the exit code is 1 if any is wrong, or nothing has moved."""
    said = []
    for name, problem, options in CASES:
        one = registry.kernel_class("charm4py", name)(problem, comm, {**job.options, **options})
        one.repeat(1)
        one.repeat(3)
        state = one.save()
        one.repeat(2)
        one.restore(state, 4)
        one.repeat(problem.repetitions - 4)
        fields = one.fields()
        wrong = [str(check) for check in coverage.agreed(fields, problem.whole(comm.size), comm)]
        found = comm.gather((problem.partial(fields), sum(period.moved for period in one.periods)))
        one.close()
        if comm.rank == 0:
            partials, moved = zip(*found, strict=True)
            wrong += [str(check) for check in problem.check(combined(partials)) if not check.valid]
            said += [f"{name}: {line}" for line in wrong or ([] if sum(moved) else ["nothing has moved"])]
    if comm.rank == 0:
        print(*said, f"{len(CASES)} cases on {comm.size} members", sep="\n", flush=True)
    return Outcome(1 if said else 0)


if __name__ == "__main__":
    how = registry.runtime("charm4py")
    options = {o.name: o.default for o in how.cell("pic").options}
    options |= {"pe": 3, "overdecomposition": 2, "balance": "runtime", "balancer": "Rotate"}
    sys.exit(how.launch(Job("pic", "charm4py", Pic(), options, program="tests.moves:run")).code)
