"""Fill the compile cache before many processes start: `python -m prk compile [KERNEL] [options]`.

For each runtime a small team runs every variant of the kernels once, in processes of its own:
`python -m prk.run.compile KERNEL,KERNEL --runtime NAME [options]` is such a team.
"""

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from prk import cli
from prk.job import Job, Outcome
from prk.problem import Problem, Refusal
from prk.run import doctor, environment, launcher, reason, registry
from prk.runtime import Runtime
from prk.team import Crew, Team

# Seconds that a team may take.
LIMIT = 600
# Processes of a team: with somebody to talk to, what carries messages is compiled too.
MEMBERS = 2


def main(narrowed: Sequence[str]) -> int:
    """Compile all kernels on all runtimes that can run here; return the exit code.

    `narrowed` may name a kernel and its options, which then stay as they are, and a runtime among them.
    """
    named = bool(narrowed) and not narrowed[0].startswith("-")
    names, words = (narrowed[:1], narrowed[1:]) if named else (list(registry.kernels()), narrowed)
    if names[0] not in registry.kernels():
        known = ", ".join(registry.kernels())
        print(f"prk compile: there is no kernel {names[0]!r}; use {known}", file=sys.stderr)
        return 2
    teams: dict[str, list[str]] = {}
    refused: list[Refusal] = []
    for kernel in names:
        try:
            for name in runtimes(kernel, words):
                if named or registry.missing(name, kernel) is None:
                    teams.setdefault(name, []).append(kernel)
        except Refusal as refusal:
            refused.append(refusal)
    if narrowed and not teams:
        why = f"no runtime can run {names[0]} here; python -m prk says what would install one"
        print(f"prk compile: {refused[0] if refused else why}", file=sys.stderr)
        return 2
    ended = [_start(kernels, name, words) for name, kernels in teams.items()]
    return int(not all(ended))


def given(words: Sequence[str]) -> set[str]:
    """Return the names of the options that the words state, with _ for - in them."""
    return {word.partition("=")[0][2:].replace("-", "_") for word in words if word.startswith("--")}


def runtimes(kernel: str, words: Sequence[str]) -> list[str]:
    """Return the runtimes that can run here and understand the words. Raises Refusal if there is none."""
    if "runtime" in given(words):
        return [cli.parse(kernel, words)[0].runtime]
    found, refused = [], []
    for name in registry.offering(kernel):
        if registry.missing(name, kernel) is None:
            try:
                cli.parse(kernel, [*words, "--runtime", name])
                found.append(name)
            except Refusal as refusal:
                # An option of another runtime, or one that none has.
                refused.append(refusal)
    if not found and refused:
        raise refused[0]
    return found


def _start(kernels: Sequence[str], name: str, words: Sequence[str]) -> bool:
    """Start a team that compiles; print what it says, and tell whether it ended well.

    Where several kernels do not, each has a team of its own.
    """
    how = registry.runtime(name)
    before = launcher.words({"ranks": MEMBERS}, unbound=how.unbound) if how.launched else []
    chosen = [] if "runtime" in given(words) else ["--runtime", name]
    if how.count_option and how.count_option not in given(words):
        chosen += [f"--{how.count_option}", str(MEMBERS)]
    extra = launcher.environment(len(os.sched_getaffinity(0)) < MEMBERS)
    # A team is started for the first one: as a crew only if all are crews.
    order = ",".join(sorted(kernels, key=lambda kernel: how.cell(kernel).crew))
    command = [*before, sys.executable, "-m", "prk.run.compile", order, *words, *chosen]
    # The team ends itself before that, unless its launcher hangs.
    done = doctor.run(command, LIMIT + 30, {**os.environ, **extra})
    if done.returncode and len(kernels) > 1:
        ended = [_start([kernel], name, words) for kernel in kernels]
        return all(ended)
    print(done.stdout, end="")
    if done.returncode:
        why = reason.said(done.stderr, done.stdout) or "no reason given"
        print(f"{order} on {name}: not compiled: {why}")
    sys.stdout.flush()
    return not done.returncode


def team(kernels: str, words: Sequence[str]) -> int:
    """Run as one process of a team; return the exit code."""
    speaks = environment.speaks()
    first = kernels.partition(",")[0]
    try:
        job, _ = cli.parse(first, words)
        cli.end_after(LIMIT, first, speaks)
        job = replace(job, program="prk.run.compile:member", argv=(kernels, *words))
        return cli.report(first, registry.runtime(job.runtime).launch(job), speaks)
    except Refusal as refusal:
        return cli.report(first, Outcome(2, str(refusal)), speaks)


def member(job: Job, comm: Team) -> Outcome:
    """Run every variant of the job's kernels once, as one member; the first one says which."""
    how = registry.runtime(job.runtime)
    for kernel in job.argv[0].split(","):
        own, _ = cli.parse(kernel, job.argv[1:])
        members: Team = Crew(how.threads(own.options)) if how.cell(kernel).crew else comm
        why = how.probe(own, members)
        if why:
            return Outcome(2, why)
        make = registry.kernel_class(job.runtime, kernel)
        for one in variants(own, how, members.size):
            # A kernel is made of one case, of which a series may have many: they share their code.
            case = one.problem.cases(members.size, 0)[0]
            made = make(case, members, one.options)
            made.repeat(1)
            made.repeat(1)
            made.close()
            if comm.rank == 0:
                print(f"{kernel} {' '.join(stated(one))}: compiled", flush=True)
    # It imports Numba, which the kernels have done by now.
    from prk.run import compile_cache

    unkept = compile_cache.warning()
    return Outcome(1 if unkept else 0, unkept)


def variants(job: Job, how: Runtime, size: int) -> Iterator[Job]:
    """Yield what a job leaves open, as small as `size` members can have it.

    That is every choice of the parameters that are compiled in, and of the runtime's options for this
    kernel, unless the job's own words state it. What the whole team has in common stays as it is.
    """
    stays = given(job.argv) | {o.name.replace("-", "_") for o in how.cells.get("*", how.cell("")).options}
    for options in _open_options(how, job, stays):
        for problem in _open_parameters(job.problem, stays):
            one = replace(job, problem=problem, options=options)
            try:
                yield small(one, how, size)
            except Refusal:
                # An option that this problem, or so small a team, cannot have.
                continue


def _open_parameters(problem: Problem, stays: set[str]) -> list[Problem]:
    axes = [
        [(f.name, choice) for choice in f.metadata["choices"]]
        for f in fields(problem)
        if f.metadata["compiled"] and f.name not in stays
    ]
    return [replace(problem, **dict(chosen)) for chosen in itertools.product(*axes)]


def _open_options(how: Runtime, job: Job, stays: set[str]) -> Iterator[dict[str, Any]]:
    yield dict(job.options)
    for option in how.cell(job.kernel).options:
        if option.name.replace("-", "_") not in stays:
            for choice in option.choices:
                if choice != option.default:
                    yield {**job.options, option.name: choice}


def small(job: Job, how: Runtime, size: int) -> Job:
    """Return the job as small as `size` members can have it. Raises Refusal if they cannot at all."""

    def refuse(problem: Problem) -> None:
        how.refuse(job.kernel, problem, job.options, size)

    problem = job.problem.smallest(size, refuse)
    problem.refuse(size)
    refuse(problem)
    return replace(job, problem=problem)


def stated(job: Job) -> list[str]:
    """Return the command line's words that state a job's runtime, parameters and options."""
    named = {**job.problem.parameters(), **job.options}
    words = ((k.replace("_", "-"), v) for k, v in named.items() if v not in (None, ""))
    return ["--runtime", job.runtime, *(w for k, v in words for w in (f"--{k}", str(v)))]


if __name__ == "__main__":
    sys.exit(team(sys.argv[1], sys.argv[2:]))
