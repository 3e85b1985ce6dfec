"""Where the time of a repetition goes: a few more of them, with clocks around what communicates and waits.

They run on a kernel of their own, after the timed ones and with code that is compiled for them, so that these
are what they always are. The answer of that kernel is checked as every other one.
"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from prk.check import Check, Fields
from prk.job import Job
from prk.kernel import Kernel
from prk.problem import Problem, Refusal, Unanimous
from prk.records import write
from prk.run import environment
from prk.run.trace.lanes import Member, end_of_share, shifted, until
from prk.runtime import Options, Runtime, Spent
from prk.team import Team

# Repetitions that are split unless another number is asked for.
REPETITIONS = 3
# Calls that a member notes for a timeline; where it makes more, the timeline ends earlier.
NOTED = 1 << 16

Make = Callable[..., Kernel[Any]]


class Parts(NamedTuple):
    """Seconds of one repetition on one rank, of which the threads of the rank have equal shares."""

    computing: float
    communicating: float
    waiting: float


@dataclass(frozen=True)
class Split:
    """What the first member knows of all ranks."""

    # Of each rank, each of its repetitions.
    ranks: Sequence[Sequence[Parts]]
    checks: Sequence[Check] = ()
    # What each rank called, if a timeline is wanted, and up to when.
    members: Sequence[Member] = ()

    def table(self) -> dict[str, Any]:
        """Return it as a record holds it."""
        return {"repetitions": len(self.ranks[0]), "ranks": [spread(parts) for parts in self.ranks]}

    def lines(self) -> list[str]:
        """Return what is printed: the parts of a repetition over all ranks, and the rank that waits most."""
        means = [_mean(parts) for parts in self.ranks]
        total = sum(sum(parts) for parts in means)
        shares = (sum(values) / total for values in zip(*means, strict=True))
        said = ", ".join(f"{name} {share:.1%}" for name, share in zip(Parts._fields, shares, strict=True))
        worst = max(range(len(means)), key=lambda rank: means[rank].waiting)
        line = f"Split of a repetition = {said}"
        if len(means) == 1 or not means[worst].waiting:
            return [line]
        return [
            line,
            f"Longest waiting = rank {worst}, {means[worst].waiting / sum(means[worst]):.1%} of its time",
        ]


def refuse(job: Job, how: Runtime) -> None:
    """Raise Refusal if a split is wanted that cannot be had."""
    why = why_not(how, job.kernel, type(job.problem), job.options) if job.split else ""
    if why:
        raise Refusal("--trace" if job.trace else "--split", why, "leave it out")
    if job.trace:
        write.refuse("--trace", job.trace)


def why_not(how: Runtime, kernel: str, problem: type[Problem], options: Options) -> str:
    """Return why a kernel on a runtime cannot be split, or nothing."""
    unseen = how.clockless(options)
    if unseen:
        return f"{how.name} has none, since {unseen}"
    if problem.own_laps or problem.open_ended:
        return f"{kernel} times its repetitions itself, since it does more between them than they take"
    return ""


def run(
    job: Job,
    case: Problem,
    how: Runtime,
    make: Make,
    comm: Team,
    checked: Callable[[Problem, Fields, Team], list[Check]],
) -> Split | None:
    """Run some repetitions of a case under clocks; return, on the first member, what they tell. Collective.

    Raises Unanimous where no clocks can be had.
    """
    problem = replace(case, iterations=job.split * case.multiple)
    with how.clocked(comm, NOTED if job.trace else 0) as (team, clocks):
        if clocks is None:
            raise Unanimous(
                "--split", "no clock can be put around the library's functions here", "leave it out"
            )
        kernel = make(problem, team, job.options)
        kernel.repeat(1)
        parts, spans = [], []
        gc.collect()
        gc.disable()
        try:
            comm.barrier()
            for _ in range(job.split):
                before, begin = clocks.spent(), time.perf_counter()
                kernel.repeat(problem.multiple)
                end, after = time.perf_counter(), clocks.spent()
                spans.append((begin, end))
                threads = how.threads(job.options)
                parts.append(divided(before, after, end - begin, threads, problem.multiple))
        finally:
            gc.enable()
        member = None
        if job.trace:
            lane, ahead = clocks.lane(spans[0][0]), clocks.ahead()
            member = shifted(Member(environment.node(), spans, lane), ahead)
            member = until(member, _common(end_of_share(member, comm.size), comm))
        checks = checked(problem, kernel.fields(), comm)
        kernel.close()
        del kernel
    gathered = comm.gather((parts, member))
    if comm.rank > 0 or gathered is None:
        return None
    named = [replace(check, name=f"split: {check.name}") for check in checks]
    return Split([p for p, _ in gathered], named, [m for _, m in gathered if m])


def divided(before: Spent, after: Spent, seconds: float, threads: int, repetitions: int = 1) -> Parts:
    """Return the parts of a repetition of one rank; its threads together had `threads` times the seconds.

    What the first thread does not spend in calls and waits it computes; so do others while they have work.
    """
    communicating, waiting, busy = (b - a for a, b in zip(before, after, strict=True))
    each = threads * repetitions
    computing = min(max(seconds + busy - communicating - waiting, 0.0), threads * seconds)
    rest = max(threads * seconds - computing - communicating, 0.0)
    return Parts(computing / each, communicating / each, rest / each)


def spread(parts: Sequence[Parts]) -> dict[str, dict[str, float]]:
    """Return minimum, mean and maximum of each part over the repetitions of a rank."""
    return {
        name: {"min": min(values), "mean": math.fsum(values) / len(values), "max": max(values)}
        for name, values in zip(Parts._fields, zip(*parts, strict=True), strict=True)
    }


def _mean(parts: Sequence[Parts]) -> Parts:
    return Parts(*(math.fsum(values) / len(parts) for values in zip(*parts, strict=True)))


def _common(end: float, comm: Team) -> float:
    """Return the earliest end of all members."""
    ends = comm.gather(end)
    return float(comm.bcast(min(ends) if comm.rank == 0 and ends else None))
