"""Every cell of the matrix against the reference: the program that each member of a team runs.

The matrix comes from the registry, so a new kernel or runtime is tested as soon as it exists.
"""

import dataclasses
import functools
import inspect
import sys

import numpy as np

from prk import runtime
from prk.job import Job, Outcome
from prk.problem import Refusal
from tests import reference

# Odd, uneven and small sizes; every pattern, radius and type.
PROBLEMS = {
    "stencil": [
        {"n": n, "radius": r, "pattern": p, "dtype": d}
        for n, r in ((17, 1), (26, 2), (41, 4))
        for p in ("star", "compact")
        for d in ("float64", "float32")
    ],
    "synch_p2p": [{"m": 31, "n": 23}, {"m": 7, "n": 40}, {"m": 40, "n": 12, "group": 5}],
    "transpose": [{"order": 12, "tile": 32}, {"order": 60, "tile": 7}, {"order": 384, "tile": 0}],
    "nstream": [{"n": 1003}],
    # One size each, as the cases of a run have; 600 elements divide over all numbers of ranks tested.
    "ddp": [{"batch": 48, "learning_rate": 0.2}],
    "allreduce": [
        {"min_bytes": n * size, "max_bytes": n * size, "dtype": d, "place": p, "collective": c}
        for d, size in (("float32", 4), ("float64", 8))
        for n, c in (
            (7001, "allreduce"),
            *((600, c) for c in ("reduce_scatter", "allgather", "broadcast", "alltoall")),
        )
        for p in ("out", "in")
    ],
}
ITERATIONS = 3


def problems(kernel):
    """Return the problems that a kernel is tested with; one not named above runs its own smallest."""
    made = runtime.problem_class(kernel)
    if kernel in PROBLEMS:
        return [made(iterations=ITERATIONS, **p) for p in PROBLEMS[kernel]]
    return made(iterations=ITERATIONS).smallest()


def variants(name, kernel, given):
    """Return a runtime's options: the defaults, then each other value of each option not `given`."""
    options = runtime.runtime(name).options_of(kernel)
    defaults = {o.name: o.default for o in options} | given
    others = [
        {**defaults, o.name: value}
        for o in options
        for value in dict.fromkeys((*o.choices, *o.examples))
        if value != o.default and o.name not in given
    ]
    return [defaults, *others]


@functools.cache
def expected(kernel, problem, size=1):
    """Return the whole fields after a run; a field that each member has a row of depends on their number."""
    parameters = dataclasses.asdict(problem)
    repetitions = parameters.pop("iterations") + 1
    function = getattr(reference, kernel)
    members = {"members": size} if "members" in inspect.signature(function).parameters else {}
    return function(repetitions=repetitions, **parameters, **members)


def compare(job, comm):
    """Run the job's kernel as one member; return a line for each field that differs from the reference."""
    kernel = runtime.kernel_class(job.runtime, job.kernel)(job.problem, comm, job.options)
    kernel.repeat(1)
    kernel.repeat(job.problem.iterations)
    wrong = []
    for name, (where, value) in kernel.fields().items():
        want = expected(job.kernel, job.problem, comm.size)[name][where]
        tolerance = 1e-4 if value.dtype == np.float32 else 1e-11
        if value.shape != want.shape:
            wrong.append(f"{name}{where} has shape {value.shape}")
        elif not np.allclose(value, want, rtol=tolerance, atol=100 * tolerance):
            wrong.append(f"{name}{where} differs by {np.abs(value - want).max()}")
    partial = job.problem.partial(kernel.fields())
    boxes = {name: where for name, (where, _) in kernel.fields().items()}
    kernel.close()
    gathered = comm.gather((wrong, partial, boxes))
    if comm.rank == 0:
        wrong = [w for member, _, _ in gathered for w in member]
        wrong += [f"check: {c}" for c in job.problem.check(p for _, p, _ in gathered) if not c.valid]
        for name, whole in expected(job.kernel, job.problem, comm.size).items():
            owners = np.zeros(whole.shape, int)
            for _, _, box in gathered:
                owners[box[name]] += 1
            if (owners != 1).any():
                wrong.append(f"{name}: some element has {owners.min()} or {owners.max()} owners")
    return [f"{job.kernel} {job.problem} {dict(job.options)}: {w}" for w in comm.bcast(wrong)]


def jobs(name, kernel, size, **given):
    """Return what a cell is tested with on `size` members, leaving out what it refuses."""
    how = runtime.runtime(name)
    for number, options in enumerate(variants(name, kernel, given)):
        # Beyond the defaults, a few problems of each kernel are enough.
        for problem in problems(kernel)[:: 1 if number == 0 else 3]:
            job = Job(kernel, name, problem, options)
            try:
                problem.refuse(size)
                how.refuse(job, size)
            except Refusal:
                continue
            yield job


def run(job, comm):
    """Compare every cell of the job's runtime; the exit code is 1 if any field differs anywhere."""
    wrong, ran = [], 0
    # What the team was started with, such as its number of workers, holds for every kernel.
    given = {o.name: job.options[o.name] for o in runtime.runtime(job.runtime).options.get("*", ())}
    for kernel in [k for k in runtime.kernels() if runtime.has(job.runtime, k)]:
        for case in jobs(job.runtime, kernel, comm.size, **given):
            wrong += compare(dataclasses.replace(case, program=job.program), comm)
            ran += 1
    if comm.rank == 0:
        print(*wrong, f"{ran} cases on {comm.size} members of {job.runtime}", sep="\n", flush=True)
    return Outcome(1 if wrong or not ran else 0)


def main(name, **options):
    """Start the comparison on a runtime; `options` are the runtime's own, such as threads or workers."""
    how = runtime.runtime(name)
    defaults = {o.name: o.default for o in how.options_of("stencil")}
    problem = runtime.problem_class("stencil")()
    return how.launch(Job("stencil", name, problem, defaults | options, program="tests.cells:run")).code


if __name__ == "__main__":
    from tests import cells

    chosen = (word.split("=") for word in sys.argv[2:])
    sys.exit(cells.main(sys.argv[1], **{k: int(v) if v.isdigit() else v for k, v in chosen}))
