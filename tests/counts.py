"""What members send, against what the cells say: the program that each member of a team runs."""

import dataclasses
import sys
from typing import Any

from prk.job import Outcome
from prk.run import registry
from prk.runtime import Sent, sent_in
from tests import cells


def sent(job, comm, make=None):
    """Return what this member sends in one call of `repeat`, for all its repetitions after the warm-up."""
    make = make or registry.kernel_class(job.runtime, job.kernel)
    with registry.runtime(job.runtime).counted(comm) as (team, so_far):
        kernel = make(job.problem, team, job.options)
        assert so_far
        kernel.repeat(1)
        before = so_far()
        kernel.repeat(job.problem.iterations)
        after = so_far()
        kernel.close()
    return Sent(*(b - a for a, b in zip(before, after, strict=True)))


def said(job, size, rank):
    """Return what the job's cell says that member `rank` sends meanwhile, or None."""
    one = registry.runtime(job.runtime).messages(job.kernel, job.problem, job.options, size, rank)
    return None if one is None else sent_in(job.problem.iterations, one)


def compare(job, comm):
    """Return a line if this member does not send what its cell says."""
    wanted = said(job, comm.size, comm.rank)
    if wanted is None:
        return []
    found = sent(job, comm)
    what = f"{job.runtime} {job.kernel} {job.problem} {dict(job.options)}, member {comm.rank} of {comm.size}"
    return [] if found == wanted else [f"{what}: {found}, not {wanted}"]


def in_pieces(job, kernel):
    """Return a job whose blocks are larger than the pieces in which they travel, where there are any."""
    if kernel != "transpose":
        return []
    options = {o.name: o.default for o in registry.runtime(job.runtime).cell(kernel).options} | job.options
    made: Any = registry.problem_class(kernel)
    problem = made(order=960, iterations=2)
    return [dataclasses.replace(job, kernel=kernel, problem=problem, options=options)]


def run(job, comm):
    """Compare every cell of the job's runtime; the exit code is 1 if any count differs anywhere."""
    wrong, ran = [], 0
    given = {o.name: job.options[o.name] for o in cells.common(job.runtime)}
    for kernel in [k for k in registry.kernels() if registry.has(job.runtime, k)]:
        for case in [*cells.jobs(job.runtime, kernel, comm.size, **given), *in_pieces(job, kernel)]:
            wrong += compare(dataclasses.replace(case, program=job.program), comm)
            ran += said(case, comm.size, comm.rank) is not None
    gathered = comm.bcast(comm.gather(wrong))
    lines = [line for member in gathered for line in member]
    if comm.rank == 0:
        print(*lines, f"{ran} cases counted", sep="\n", flush=True)
    return Outcome(1 if lines or not ran else 0)


if __name__ == "__main__":
    chosen = (word.split("=") for word in sys.argv[2:])
    sys.exit(cells.main(sys.argv[1], "tests.counts:run", **{k: int(v) for k, v in chosen}))
