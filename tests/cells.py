"""Every cell of the matrix against the reference: the program that each member of a team runs.

The matrix comes from the registry, so a new kernel or runtime is tested as soon as it exists.
"""

import dataclasses
import functools
import inspect
import itertools
import sys
from typing import Any

import numpy as np

from prk.check import Keyed, combined
from prk.job import Job, Outcome
from prk.problem import Refusal
from prk.run import registry
from prk.runtime import Cell
from prk.team import Crew
from tests import reference
from tests.launch import ROOT

# Odd, uneven and small sizes; every pattern, radius and type.
PROBLEMS: dict[str, list[dict[str, Any]]] = {
    "stencil": [
        {"n": n, "radius": r, "pattern": p, "dtype": d}
        for n, r in ((17, 1), (26, 2), (41, 4))
        for p in ("star", "compact")
        for d in ("float64", "float32")
    ],
    "synch_p2p": [{"m": 31, "n": 23}, {"m": 7, "n": 40}, {"m": 40, "n": 12, "group": 5}],
    "transpose": [{"order": 12, "tile": 32}, {"order": 60, "tile": 7}, {"order": 384, "tile": 0}],
    "nstream": [{"n": 1003}],
    "branch": [
        {"n": 103, "type": t, "branches": b}
        for t in ("vector_go", "vector_stop", "no_vector", "ins_heavy")
        for b in ("yes", "no")
    ],
    # Some segments, and one element for all members.
    "reduce": [{"n": 70_001}, {"n": 1}],
    "synch_global": [{"n": 600}, {"n": 60}],
    # Several panels of each owner, and one that is wider than a block.
    "dgemm": [{"order": 31, "block": 4}, {"order": 40, "block": 17, "local": "loops"}, {"order": 16}],
    # With and without padding in the vector.
    "sparse": [
        {"lsize": 7, "radius": 1},
        {"lsize": 3, "radius": 3},
        {"lsize": 4, "radius": 2, "scramble": "no"},
    ],
    "refcount": [
        {"stream": 3},
        {"lock": "lock"},
        {"counters": "private", "stream": 2},
        {"update": "dependent", "lock": "lock", "stream": 1},
    ],
    "random": [
        {"log2_size": 8, "ratio": 4, "lookahead": 16},
        {"log2_size": 3, "ratio": 8, "lookahead": 1},
        {"log2_size": 11, "ratio": 1, "lookahead": 128},
    ],
    # Tiles as narrow as a step; speeds up and down, and none.
    "pic": [
        {"n": 18, "particles": 700, "k": 1, "m": 2, "rho": 0.8},
        {"n": 6, "particles": 60, "k": 0, "m": 0, "mode": "SINUSOIDAL"},
        {"n": 18, "particles": 90, "k": 1, "m": -3, "mode": "LINEAR"},
        {"n": 20, "particles": 300, "m": 1, "mode": "PATCH", "left": 3, "right": 5, "top": 9},
        {"n": 20, "particles": 300, "events": str(ROOT / "tests/kernels/pic-events")},
    ],
    # Modes whose messages are known before; one tile, tiles of all kinds, and more members than tiles.
    "adaptive": [
        {"scale": 5, "tile": 8, "edge_factor": 3, "threshold": 8, "mode": "sparse", "phases": 2},
        {"scale": 5, "tile": 8, "edge_factor": 3, "threshold": 8, "mode": "dense", "seed": 3},
        {"scale": 4, "tile": 16, "threshold": 100, "mode": "sparse", "dense_share": 0.0},
        {
            "scale": 6,
            "tile": 8,
            "edge_factor": 4,
            "dense_share": 0.3,
            "threshold": 3,
            "mode": "sparse",
            "optimisations": "compression,float32",
            "scan": "whole",
        },
    ],
    # Refinements that overlap, meet or lie apart; copied, or interpolated; alive for ever, or now and then.
    "amr": [
        {"n": 26, "refinement": 15, "level": 1, "period": 1, "sub": 2, "radius": 2, "balance": "no-talk"},
        {"n": 26, "refinement": 9, "level": 1, "period": 1, "sub": 2, "radius": 2},
        {"n": 26, "refinement": 7, "level": 1, "period": 1, "radius": 2, "spread": 2},
        {"n": 17, "refinement": 9, "level": 1, "duration": 2, "radius": 1, "balance": "high-water"},
        {"n": 26, "refinement": 26, "level": 0, "period": 1, "sub": 1, "radius": 2},
    ],
    # A line each; what a member computes with others beside it. All operators: tests/kernels/test_layers.py.
    "layers": [
        {"shape": "convolution n=2 c=2 h=5 w=4 k=3 r=3 s=2 stride=2 pad=1"},
        {"shape": "lstm t=2 n=2 i=3 h=2", "direction": "backward"},
        {"shape": "softmax n=3 c=7", "dtype": "bfloat16"},
    ],
    "models": [{"model": "digits", "batch": 5}],
    # Answers one at a time, and in batches that messages are ahead of.
    "inference": [{"quick": "on", "max_batch": 4}, {"quick": "on", "scenario": "offline"}],
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


def problems(kernel, size):
    """Return the problems that a kernel is tested with; one not named above runs its own smallest."""
    made = registry.problem_class(kernel)
    if kernel in PROBLEMS:
        return [made(iterations=ITERATIONS * made.multiple, **p) for p in PROBLEMS[kernel]]
    small = dataclasses.replace(made().smallest(size), iterations=ITERATIONS * made.multiple)
    compiled = [f for f in dataclasses.fields(made) if f.metadata["compiled"]]
    chosen = itertools.product(*(f.metadata["choices"] for f in compiled))
    names = [f.name for f in compiled]
    return [dataclasses.replace(small, **dict(zip(names, values, strict=True))) for values in chosen]


def variants(name, kernel, given):
    """Return a runtime's options: the defaults, then each other value of each option not `given`."""
    options = registry.runtime(name).cell(kernel).options
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
    parameters = problem.parameters()
    repetitions = parameters.pop("iterations") + 1
    function = getattr(reference, kernel)
    members = {"members": size} if "members" in inspect.signature(function).parameters else {}
    return function(repetitions=repetitions, **parameters, **members)


def differs(field, whole, tolerance):
    """Say how a member's field differs from its part of the whole one, or return nothing."""
    if isinstance(field, Keyed):
        strange = ~np.isin(field.keys, whole.keys)
        if strange.any():
            return f"has the strange keys {field.keys[strange][:5]}"
        order = np.argsort(whole.keys)
        want, largest = whole.values[order[np.searchsorted(whole.keys[order], field.keys)]], whole.values
    else:
        want, largest = whole[field.where], whole
    if field.values.shape != want.shape:
        return f"has shape {field.values.shape}, not {want.shape}"
    # Relative to the field, whose elements may cancel to nothing, but not below what a check would allow.
    least = tolerance * max(1.0, float(np.abs(largest).max(initial=0)))
    if np.allclose(field.values, want, rtol=tolerance, atol=least):
        return ""
    return f"differs by {np.abs(field.values - want).max()}"


def uncovered(places, whole):
    """Say which elements of a whole field have no owner or several, or return nothing.

    `places` are the members' boxes, or the keys that each of them has.
    """
    if isinstance(whole, Keyed):
        keys, owners = np.unique(np.concatenate(places), return_counts=True)
        missing = np.setdiff1d(whole.keys, keys)
        if missing.size:
            return f"nobody has the keys {missing[:5]}"
    else:
        owners = np.zeros(whole.shape, int)
        for where in places:
            owners[where] += 1
    return "" if (owners == 1).all() else f"some element has {owners.min()} or {owners.max()} owners"


def compare(job, comm):
    """Run the job's kernel as one member; return a line for each field that differs from the reference."""
    kernel = registry.kernel_class(job.runtime, job.kernel)(job.problem, comm, job.options)
    kernel.repeat(1)
    kernel.repeat(job.problem.iterations)
    fields = kernel.fields()
    wholes = expected(job.kernel, job.problem, comm.size)
    wrong = [
        f"{name} of member {comm.rank} {how}"
        for name, field in fields.items()
        if (how := differs(field, wholes[name], job.problem.tolerance(name)))
    ]
    partial = job.problem.partial(fields)
    places = {name: f.keys.copy() if isinstance(f, Keyed) else f.where for name, f in fields.items()}
    kernel.close()
    gathered = comm.gather((wrong, partial, places))
    if comm.rank == 0:
        wrong = [w for member, _, _ in gathered for w in member]
        checks = job.problem.check(combined(p for _, p, _ in gathered))
        wrong += [f"check: {c}" for c in checks if not c.valid]
        for name, whole in wholes.items():
            if how := uncovered([member[name] for _, _, member in gathered], whole):
                wrong.append(f"{name}: {how}")
    return [f"{job.kernel} {job.problem} {dict(job.options)}: {w}" for w in comm.bcast(wrong)]


def jobs(name, kernel, size, **given):
    """Return what a cell is tested with on `size` members, leaving out what it refuses.

    On two members the defaults meet every problem, on other numbers a third of them; each other value of an
    option meets one. Which one differs from value to value. The conformance kit tries all pairs.
    """
    how = registry.runtime(name)
    for number, options in enumerate(variants(name, kernel, given)):
        made = problems(kernel, size)
        order = [problem for first in range(3) for problem in made[(number + first) % 3 :: 3]]
        most = 1 if number else len(made) if size == 2 else -(-len(made) // 3)
        accepted = (
            job for problem in order if not refused(job := Job(kernel, name, problem, options), how, size)
        )
        yield from itertools.islice(accepted, most)


def refused(job, how, size):
    """Tell whether a problem or the runtime does not allow what a job asks for."""
    try:
        job.problem.refuse(size)
        how.refuse(job.kernel, job.problem, job.options, size)
    except Refusal:
        return True
    return False


def common(name):
    """Return the options that a runtime has for all kernels."""
    return registry.runtime(name).cells.get("*", Cell()).options


def team_of(name, kernel, options, comm):
    """Return the team of a kernel's members, which the threads of a process may be, or the runtime's."""
    how = registry.runtime(name)
    return Crew(how.threads(options)) if how.cell(kernel).crew else comm


def run(job, comm):
    """Compare every cell of the job's runtime; the exit code is 1 if any field differs anywhere."""
    wrong, ran = [], 0
    # What the team was started with, such as its number of workers, holds for every kernel.
    given = {o.name: job.options[o.name] for o in common(job.runtime)}
    for kernel in [k for k in registry.kernels() if registry.has(job.runtime, k)]:
        team = team_of(job.runtime, kernel, job.options, comm)
        for case in jobs(job.runtime, kernel, team.size, **given):
            wrong += compare(dataclasses.replace(case, program=job.program), team)
            ran += 1
    if comm.rank == 0:
        print(*wrong, f"{ran} cases on {comm.size} members of {job.runtime}", sep="\n", flush=True)
    return Outcome(1 if wrong or not ran else 0)


def main(name, program="tests.cells:run", **options):
    """Start a program on a runtime; `options` are the runtime's own, such as threads or workers."""
    how = registry.runtime(name)
    defaults = {o.name: o.default for o in how.cell("stencil").options}
    problem = registry.problem_class("stencil")()
    return how.launch(Job("stencil", name, problem, defaults | options, program=program)).code


if __name__ == "__main__":
    from tests import cells

    chosen = (word.split("=") for word in sys.argv[2:])
    sys.exit(cells.main(sys.argv[1], **{k: int(v) if v.isdigit() else v for k, v in chosen}))
