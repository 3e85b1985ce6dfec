"""What a runtime is tried with on one kernel: all pairs of parameters and options, small and uneven. Pure."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from prk.job import Job
from prk.problem import Problem, Refusal, scaled
from prk.runtime import Option, Runtime

Values = Mapping[str, Sequence[Any]]
# The smallest size that there is, and others that suit it: odd, a multiple, an uneven one, several blocks.
SCALES = ((1, 0), (2, 1), (3, 0), (5, 2), (16, 0))
ITERATIONS = (1, 4)
# As many combinations are looked at for the next one to run.
POOL = 400
# Parameters that are not tried: the data's seed is given with the whole run.
LEFT = ("audit",)


def common(how: Runtime) -> tuple[Option, ...]:
    """Return the options that hold for all kernels: a team is started with them."""
    return how.cell("").options


def choices(option: Option) -> list[Any]:
    """Return the values that an option is tried with, the default first."""
    return list(dict.fromkeys((option.default, *option.choices, *option.examples)))


def axes(job: Job, how: Runtime) -> dict[str, list[Any]]:
    """Return what is varied, by name: parameters first, a size's as its scale, then the runtime's options."""
    found: dict[str, list[Any]] = {}
    for f in fields(job.problem):
        if f.name in LEFT:
            continue
        if f.metadata["size"]:
            found[f.name] = list(SCALES)
        elif f.name == "iterations":
            found[f.name] = list(ITERATIONS)
        elif f.metadata["choices"]:
            found[f.name] = list(f.metadata["choices"])
        elif type(f.default) is int:
            # Half as much, for those that must be a power of two.
            others = (f.default - 1, f.default // 2) if f.default > 1 else (2,)
            found[f.name] = list(dict.fromkeys((f.default, *others)))
    started = {o.name for o in common(how)}
    own = how.cell(job.kernel).options
    return {**found, **{f"--{o.name}": choices(o) for o in own if o.name not in started}}


def case(job: Job, how: Runtime, chosen: Mapping[str, Any], size: int) -> Job:
    """Return the job with the chosen values. Raises Refusal if problem or runtime cannot have it."""
    options = {**job.options, **{k[2:]: v for k, v in chosen.items() if k.startswith("--")}}

    def refuse(problem: Problem) -> None:
        how.refuse(job.kernel, problem, options, size)

    sizes = {f.name for f in fields(job.problem) if f.metadata["size"]}
    plain = {k: v for k, v in chosen.items() if not k.startswith("--") and k not in sizes}
    small = replace(job.problem, **plain).smallest(size, refuse)
    scale = ((k, *chosen[k]) for k in sizes)
    larger = {k: scaled(type(small), k, times, getattr(small, k), more) for k, times, more in scale}
    problem = replace(small, iterations=chosen["iterations"], **larger)
    problem.refuse(size)
    refuse(problem)
    return replace(job, problem=problem, options=options)


def tuples(chosen: Mapping[str, Any], strength: int) -> set[Any]:
    """Return the values, each with its name, alone (strength 1) or in pairs (2)."""
    named = sorted(chosen.items(), key=lambda item: item[0])
    return set(itertools.combinations(named, min(strength, len(named))))


def combinations(values: Values, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the first values of all, each other one beside them, and random combinations."""
    first = {name: several[0] for name, several in values.items()}
    yield first
    for name, several in values.items():
        for value in several[1:]:
            yield {**first, name: value}
    drawn = random.Random(seed)
    for _ in range(POOL):
        yield {name: drawn.choice(several) for name, several in values.items()}


def cases(job: Job, how: Runtime, size: int, seed: int, strength: int = 2) -> list[Job]:
    """Return the jobs that together have every pair of values (strength 2), or every value, not refused.

    They are equal on all members.
    """
    allowed: list[tuple[Job, set[Any]]] = []
    for chosen in combinations(axes(job, how), seed):
        try:
            allowed.append((case(job, how, chosen, size), tuples(chosen, strength)))
        except Refusal:
            continue
    found: list[Job] = []
    missing = set().union(*(p for _, p in allowed))
    while missing:
        best, covered = max(allowed, key=lambda one: len(one[1] & missing))
        found.append(best)
        missing -= covered
    return found


def words(job: Job) -> list[str]:
    """Return the command line that states a case."""
    named = {**job.problem.parameters(), **job.options}
    stated = ((k.replace("_", "-"), v) for k, v in named.items() if k not in LEFT and v not in (None, ""))
    audit = job.problem.parameters().get("audit", 0)
    given = ["--audit-seed", str(audit)] if audit else []
    return ["--runtime", job.runtime, *(w for k, v in stated for w in (f"--{k}", str(v))), *given]


def label(job: Job) -> str:
    """Return the part of a case that differs from the defaults, as its options."""
    plain = {f.name: f.default for f in fields(job.problem)}
    named = {k: v for k, v in job.problem.parameters().items() if v != plain[k] and k not in LEFT}
    stated = {**named, **job.options}.items()
    return " ".join(f"--{k.replace('_', '-')} {v}" for k, v in stated if v not in (None, ""))
