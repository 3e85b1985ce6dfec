"""One run, as every member of the team goes through it: refuse, measure, check, report.

No runtime repeats any of this, so a runtime that forgot an exchange cannot report a rate.
"""

import os
import time
from dataclasses import fields, replace
from functools import partial
from typing import Any

from prk import coverage
from prk.check import Check, Fields, combined
from prk.job import OUTLIVED, Job, Outcome
from prk.problem import Measured, Problem, Refusal, Unanimous, size_option
from prk.records import build, mllog, text, write
from prk.records.build import Case, Report
from prk.run import audit, environment, registry, split, timing
from prk.run.faults import options as faults
from prk.runtime import Runtime
from prk.team import Team


def run(job: Job, comm: Team) -> Outcome:
    """Run the job as member comm.rank of comm.size; print and record on the first one."""
    how = registry.runtime(job.runtime)
    job = audit.drawn(job, comm)
    members = comm.gather(_describe_member())
    up = time.time()
    refusal: str = comm.bcast(_refuse(job, how, members, comm.size) if comm.rank == 0 and members else None)
    refusal = refusal or how.probe(job, comm)
    if refusal:
        return Outcome(2, refusal if comm.rank == 0 else "")
    if comm.rank == 0 and not job.quiet:
        print(banner(job, how, comm.size), flush=True)
    make = registry.kernel_class(job.runtime, job.kernel)
    repeats: list[list[Case]] = []
    audited = parts = None
    try:
        if faults.asked(job.options):
            return _outlive(job, how, comm, comm.bcast(members), make, up)
        for number in range(job.repeat):
            cases: list[Case] = []
            for problem in audit.timed(job).cases(comm.size, number):
                comm, found = _measure(problem, partial(make, problem, comm, job.options), comm)
                cases += found
            repeats.append(cases)
        if job.problem.audit:
            seconds = [case.measured.seconds for case in repeats[0]]
            audited = audit.run(job, how, make, comm, seconds)
        if job.split:
            parts = split.run(job, _stated(job, comm, repeats[0]), how, make, comm, _check)
    except Unanimous as refusal:
        return Outcome(2, str(refusal) if comm.rank == 0 else "")
    outcome = Outcome(0)
    if comm.rank == 0 and members:
        outcome = _finish(Report(job, how, members, comm.size, repeats, how.describe(), audited, up, parts))
    return Outcome(comm.bcast(outcome.code), outcome.message)


def _outlive(
    job: Job, how: Runtime, comm: Any, members: list[dict[str, Any]], make: Any, up: float
) -> Outcome:
    """Run the job with its faults; the first of those that are left prints and records."""
    # Looked at by few runs only.
    from prk.run.faults import drive

    size = faults.active(job.options, comm.size)
    try:
        ended = drive.run(job, how, make, comm, _check)
    except drive.Failed as failed:
        return drive.lost(job, how, members, failed)
    report = Report(job, how, members, size, [[ended.case]], how.describe(), up=up, faults=ended.account)
    # Nobody is asked any more: one might be gone. The first one tells how it ended, and is not ended
    # while it writes by a launcher that saw another one's code.
    return _finish(report) if ended.comm.rank == 0 else Outcome(0)


def _measure(problem: Problem, make: Any, comm: Team) -> tuple[Team, list[Case]]:
    """Measure and check one case; return the team that is left and, on the first member, the case."""
    kernel, sample = timing.measure(make, comm, problem)
    stopped = time.perf_counter()
    comm = kernel.comm
    ran = replace(problem, iterations=sample.repetitions)
    checks = _check(ran, kernel.fields(), comm)
    sample = replace(sample, check=time.perf_counter() - stopped)
    kernel.probe()
    gathered = comm.gather((sample, kernel.findings()))
    kernel.close()
    del kernel
    if comm.rank > 0 or gathered is None:
        return comm, []
    samples = tuple(s for s, _ in gathered)
    measured = Measured(
        problem=ran,
        seconds=max(s.repetition for s in samples),
        laps=tuple(map(max, zip(*(s.laps for s in samples), strict=True))),
        checks=tuple(checks),
        findings=tuple(f for _, f in gathered),
    )
    return comm, [Case(measured, samples)]


def _stated(job: Job, comm: Team, cases: list[Case]) -> Problem:
    """Return the case that the first member states as the run's, as it was timed. Collective."""
    number = None
    if comm.rank == 0:
        measured = [case.measured for case in cases]
        stated = job.problem.stated(measured)[-1]
        number = next(n for n, one in enumerate(measured) if one is stated)
    chosen: Problem = audit.timed(job).cases(comm.size, 0)[comm.bcast(number)]
    return chosen


def _check(problem: Problem, fields: Fields, comm: Team) -> list[Check]:
    """Return, on the first member, how right the fields are.

    First whether they are what they must be and every element has one owner; only then is it looked at.
    """
    wrong = coverage.agreed(fields, problem.whole(comm.size), comm)
    if wrong:
        return wrong
    partials = comm.gather(problem.partial(fields))
    return problem.check(combined(partials)) if comm.rank == 0 and partials else []


def _describe_member() -> dict[str, Any]:
    return {
        "host": environment.node(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "available": environment.available_memory(),
        "own": environment.own_memory(),
    }


def _refuse(job: Job, how: Runtime, members: list[dict[str, Any]], size: int) -> str:
    """Return the one line that refuses the job on this team, or nothing. Runs before any allocation."""
    try:
        ranks = size // how.members_a_rank(job.kernel, job.options)
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
        if faults.asked(job.options):
            from prk.run.faults import drive

            drive.refuse(job, members, size)
        size = faults.active(job.options, size)
        job.problem.refuse(size)
        how.refuse(job.kernel, job.problem, job.options, size)
        audit.refuse(job)
        split.refuse(job, how)
        _refuse_memory(job, how, members, size)
        if job.json:
            write.refuse("--json", job.json)
            mllog.refuse(job.json, job.problem.logs * job.repeat)
    except Refusal as refusal:
        return str(refusal)
    return ""


def _refuse_memory(job: Job, how: Runtime, members: list[dict[str, Any]], size: int) -> None:
    """Raise Refusal if what the members of some host allocate is more than it has."""
    each = how.members_a_rank(job.kernel, job.options)
    # An audit holds one of the fields twice.
    need = each * how.memory(job.kernel, job.problem, job.options, size) * (2 if job.problem.audit else 1)
    if faults.asked(job.options):
        from prk.run.faults import copies

        need *= copies.memory(job.options)
    # Of a crew one speaks for all, while chares speak each for itself.
    voices = len(members) * each // size
    name = size_option(type(job.problem))
    hosts: dict[str, list[int]] = {}
    for member in members:
        hosts.setdefault(member["host"], []).append(member["available"])
    for host, room in hosts.items():
        ranks = len(room) // voices
        if need * ranks > min(room):
            raise Refusal(
                name,
                f"{ranks} ranks need {need * ranks / 2**30:.1f} GiB on {host}, "
                f"which has {min(room) / 2**30:.1f} GiB available",
                f"use more nodes or a smaller {name}",
            )
    own = min(member["own"] for member in members)
    if need > own:
        raise Refusal(
            name,
            f"a rank needs {need / 2**30:.1f} GiB, and ulimit -v or -d leaves it {own / 2**30:.1f} GiB",
            f"raise the limit, or use a smaller {name}",
        )


def banner(job: Job, how: Runtime, size: int) -> str:
    """Return PRK's opening lines: a title, then `Name = value` a parameter."""
    each = how.members_a_rank(job.kernel, job.options)
    lines = [
        f"Parallel Research Kernels in Python version {build.prk_version()}",
        f"{how.name} ({how.title}): {job.problem.title}",
        f"Number of ranks = {size // each}",
    ]
    if each > 1:
        lines.append(f"Number of members = {size}")
    if how.threads(job.options) > 1:
        lines.append(f"Number of threads = {how.threads(job.options)}")
    labels = {f.name: f.metadata["label"] for f in fields(job.problem)}
    lines += [f"{labels[name]} = {value}" for name, value in job.problem.parameters().items()]
    lines += [f"Option {name} = {value}" for name, value in job.options.items() if value is not None]
    if not job.problem.conforming:
        lines.append("Conforming = no")
    return "\n".join(lines)


def _finish(report: Report) -> Outcome:
    """Write the record, print the verdict and the rate; return how the run ended."""
    job = report.job
    lost = ""
    if job.json:
        record = build.build(report)
        lost = write.save(record, job.json)
        if job.problem.logs and report.valid:
            lost = "; ".join(filter(None, (lost, mllog.save(record, job.json))))
    if job.trace and report.split:
        other = write.kept("--trace", "timeline", _timeline(job, report.split), job.trace)
        lost = "; ".join(filter(None, (lost, other)))
    failed = [c for c in report.checks if not c.valid]
    if not job.quiet:
        for warning in report.warnings:
            print(f"Warning: {warning}")
        for line in (
            *text.table(report.table, job.problem.headings),
            *(f"{name} = {value}" for name, value in report.summary.items() if not isinstance(value, list)),
            *(report.balance.lines() if report.balance else ()),
            *(report.split.lines() if report.split else ()),
            *(report.faults.lines() if report.faults else ()),
        ):
            print(line)
    if report.faults:
        print(report.faults.headline())
    if failed:
        worst = failed[0]
        print(f"ERROR: {worst.name} is {worst.error:.3e}, allowed {worst.tolerance:.1e}")
        print("Solution is invalid", flush=True)
        return Outcome(1, lost)
    first = job.problem.metrics[0]
    values, seconds = report.values[first.name], report.seconds
    if not job.quiet and len(seconds) > 1:
        for number, (value, s) in enumerate(zip(values, seconds, strict=True), 1):
            print(f"Repeat {number}: {value:.3f} {first.unit}, {s:.6f} s")
    print("Solution validates")
    for target in report.missed:
        reached = "nothing" if target.reached is None else f"{target.reached:g}"
        print(f"Target missed: {target.name} reached {reached}, wanted {target.wanted:g}")
    value, middle = report.median()
    print(f"{first.name.capitalize()} ({first.unit}): {value:.6f}  Avg time (s): {middle:.9f}", flush=True)
    if lost:
        return Outcome(1, lost)
    return Outcome(OUTLIVED if report.faults and report.faults.dead else 0)


def _timeline(job: Job, parts: split.Split) -> bytes:
    """Return the timeline as its file's ending asks for: a page, or else Chrome's trace."""
    # Looked at by few runs only.
    from prk.run.trace import chrome, page

    shown = max(len(member.spans) for member in parts.members)
    note = f"{shown} of {job.split} repetitions, after the timed ones and with clocks around every call."
    if any(member.lane.full for member in parts.members):
        note += (
            " It ends where it would hold too many calls; a smaller problem or fewer repetitions show all."
        )
    about = {
        "title": f"{job.kernel} on {job.runtime}, {len(parts.members)} ranks",
        "command": " ".join(job.argv),
        "prk": build.prk_version(),
        "note": note,
    }
    form = page if job.trace and job.trace.endswith(".html") else chrome
    made: bytes = form.document(parts.members, about)
    return made
