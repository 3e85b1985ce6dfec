"""One run, as every member of the team goes through it: refuse, measure, check, report.

No runtime repeats any of this, so a runtime that forgot an exchange cannot report a rate.
"""

import os
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np

from prk import environment, record, runtime, tables, timing
from prk.job import Job, Outcome
from prk.problem import Measured, Problem, Refusal
from prk.record import Report


def run(job: Job, comm: Any) -> Outcome:
    """Run the job as member comm.rank of comm.size; print and record on the first one."""
    how = runtime.runtime(job.runtime)
    members = comm.gather(_describe_member())
    refusal = comm.bcast(_refuse(job, how, members) if comm.rank == 0 else None)
    refusal = refusal or how.probe(job, comm)
    if refusal:
        return Outcome(2, refusal if comm.rank == 0 else "")
    if comm.rank == 0 and not job.quiet:
        print(banner(job, how, comm.size), flush=True)
    kernel_class = runtime.kernel_class(job.runtime, job.kernel)
    samples, repeats = [], []
    for number in range(job.repeat):
        cases = job.problem.cases(comm.size, number)
        found = [
            _measure(problem, partial(kernel_class, problem, comm, job.options), comm) for problem in cases
        ]
        if comm.rank == 0:
            # A series took as long as its cases together.
            samples.append([sum(own[1:], own[0]) for own in zip(*(s for s, _ in found), strict=True)])
            repeats.append([measured for _, measured in found])
    code = comm.bcast(
        _finish(Report(job, members, samples, repeats, how.describe())) if comm.rank == 0 else 0
    )
    return Outcome(code)


def _measure(problem: Problem, make: Any, comm: Any) -> Any:
    """Measure and check one case; return every member's sample and what was measured, on the first member."""
    kernel, sample = timing.measure(make, comm, problem.iterations)
    gathered = comm.gather((sample, problem.partial(kernel.fields()), kernel.findings()))
    kernel.close()
    del kernel
    if comm.rank > 0:
        return None
    samples = [s for s, _, _ in gathered]
    return samples, Measured(
        problem=problem,
        seconds=max(s.repetition for s in samples),
        laps=tuple(map(max, zip(*(s.laps for s in samples), strict=True))),
        checks=tuple(problem.check(p for _, p, _ in gathered)),
        findings=tuple(f for _, _, f in gathered),
    )


def _describe_member() -> dict[str, Any]:
    return {
        "host": environment.node(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "available": environment.available_memory(),
    }


def _refuse(job: Job, how: runtime.Runtime, members: list[dict[str, Any]]) -> str:
    """Return the one line that refuses the job on this team, or nothing. Runs before any allocation."""
    size = len(members)
    try:
        ranks = size // how.members_a_rank(job)
        launched = environment.launched()
        if launched and launched[1] > ranks:
            raise Refusal(
                "the launcher",
                f"it started {launched[1]} processes, but {job.runtime} sees {ranks} of them",
                "use the launcher of this MPI (python -m prk doctor names it), or another --runtime",
            )
        if job.expect_ranks not in (None, ranks):
            raise Refusal(
                "--expect-ranks",
                f"{job.expect_ranks} ranks were expected and {ranks} came up",
                "check the launcher's -n, and that it is the launcher of this MPI (python -m prk doctor)",
            )
        job.problem.refuse(size)
        how.refuse(job, size)
        need = how.memory(job, size)
        for host in dict.fromkeys(m["host"] for m in members):
            there = [m for m in members if m["host"] == host]
            available = min(m["available"] for m in there)
            if need * len(there) > available:
                name = size_option(job.problem)
                raise Refusal(
                    name,
                    f"{len(there)} ranks need {need * len(there) / 2**30:.1f} GiB on {host}, "
                    f"which has {available / 2**30:.1f} GiB available",
                    f"use more nodes or a smaller {name}",
                )
        if job.json:
            record.refuse(job.json)
    except Refusal as refusal:
        return str(refusal)
    return ""


def size_option(problem: Problem) -> str:
    """Return the option that sets the problem's size."""
    return next(f"--{name.replace('_', '-')}" for name in problem.parameters() if name != "iterations")


def banner(job: Job, how: runtime.Runtime, size: int) -> str:
    """Return PRK's opening lines: a title, then `Name = value` a parameter."""
    lines = [
        f"Parallel Research Kernels in Python version {record.prk_version()}",
        f"{how.name} ({how.title}): {job.problem.title}",
        f"Number of ranks = {size}",
    ]
    if how.threads(job) > 1:
        lines.append(f"Number of threads = {how.threads(job)}")
    labels = {f.name: f.metadata["label"] for f in fields(job.problem)}
    lines += [f"{labels[name]} = {value}" for name, value in job.problem.parameters().items()]
    lines += [f"Option {name} = {value}" for name, value in job.options.items() if value is not None]
    if not job.problem.conforming:
        lines.append("Conforming = no")
    return "\n".join(lines)


def _finish(report: Report) -> int:
    """Print the verdict and the rate, write the record; return the exit code."""
    failed = [c for c in report.checks if not c.valid]
    if not report.job.quiet:
        for line in (
            *tables.text(report.table, report.job.problem.headings),
            *(f"{name} = {value}" for name, value in report.summary.items() if not isinstance(value, list)),
        ):
            print(line)
    if failed:
        worst = failed[0]
        print(f"ERROR: {worst.name} is {worst.error:.3e}, allowed {worst.tolerance:.1e}")
        print("Solution is invalid", flush=True)
    else:
        seconds = report.seconds
        if not report.job.quiet and len(seconds) > 1:
            for number, s in enumerate(seconds, 1):
                print(f"Repeat {number}: {report.rate(s):.3f} {report.job.problem.unit}, {s:.6f} s")
        median = float(np.median(seconds))
        print("Solution validates")
        print(
            f"Rate ({report.job.problem.unit}): {report.rate(median):.6f}  Avg time (s): {median:.9f}",
            flush=True,
        )
    if report.job.json:
        record.write(record.build(report), report.job.json)
    return 1 if failed else 0
