"""The audit: a kernel on data that nobody could guess, against plain NumPy, and its clock against its work.

Every element of every field is compared, block by block, so that any size fits in memory.
"""

import importlib
import importlib.util
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from prk import coverage
from prk.check import Box, Check, Fields, Fresh, Largest, combined, max_or_nan
from prk.coverage import Said
from prk.job import Job
from prk.kernel import Kernel
from prk.problem import Problem, Refusal, Unanimous
from prk.run import registry
from prk.runtime import Runtime, sent_in
from prk.team import Team

# In the place of a seed: the first member draws one when the team is there.
DRAW = -1
# Repetitions of the rounds, in an order drawn from the seed. Most are single ones, since what goes wrong in a
# repetition may be mended by the next; the others notice what only happens between two.
ROUNDS, SEVERAL = (1, 1, 1, 1, 1), 2
LARGEST = 4
# Relative errors of double precision: a message in single precision has 6e-8, and whatever is lost or late is
# off by the data's own differences, while rounding in so few repetitions stays below 1e-13.
TOLERANCE = 1e-11
# In units of the last place, where that is more: in single precision 8e-6, a message in half has 5e-4.
PLACES = 64
# Elements that are compared at once: their doubles, and what is computed of them, stay in cache.
BLOCK = 1 << 16
# Odd multipliers of the axes' indices, and those of splitmix64 (Steele, Lea and Flood, 2014).
AXES = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0x8CB92BA72F3D8DD7, 0xABC98388FB8FAC03)
MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
# The clock's test: seconds that a stretch takes at least, how often each is run (the shortest counts, as
# noise only adds), by how much times may differ, and how many repetitions take longer than one anywhere.
LEAST, TRIALS, FACTOR, MOST = 0.02, 3, 3.0, 1 << 20
# How often a clock is tested before it counts as wrong.
ATTEMPTS = 5
# What the clock can tell.
TICK = 1e-9

Make = Callable[..., Kernel[Any]]


@dataclass(frozen=True)
class Audited:
    """What an audit did, and on the first member what it found."""

    seed: int
    # Of each round, on fresh data.
    repetitions: tuple[int, ...] = ()
    checks: list[Check] = field(default_factory=list)

    def table(self) -> dict[str, Any]:
        """Return it as a record holds it."""
        return {"seed": self.seed, "rounds": len(self.repetitions), "repetitions": list(self.repetitions)}


def drawn(job: Job, comm: Team) -> Job:
    """Return the job with a seed drawn, where it wants one, equal on all members. Collective."""
    if job.problem.audit != DRAW:
        return job
    seed = comm.bcast(1 + int.from_bytes(os.urandom(4)) % (2**31 - 1))
    return replace(job, problem=replace(job.problem, audit=seed))


def refuse(job: Job) -> None:
    """Raise Refusal if an audit is wanted of a kernel that has none."""
    if job.problem.audit and importlib.util.find_spec(_module(job.kernel)) is None:
        raise Refusal(
            "--audit", f"{job.kernel} has no audit.py", "leave it out (CONTRIBUTING says what it holds)"
        )


def timed(job: Job) -> Problem:
    """Return the problem as it is timed: without audit, unless the kernel itself looks closer in one."""
    if job.problem.audit and hasattr(_reference(job), "expected"):
        return replace(job.problem, audit=0)
    return job.problem


def run(job: Job, how: Runtime, make: Make, comm: Team, seconds: Sequence[float]) -> Audited:
    """Audit every case of the job. Collective; checks and `seconds`, of each case, are the first member's.

    Raises Refusal, on all members, if this kernel cannot take up data.
    """
    seed = job.problem.audit
    reference = _reference(job)
    counts: tuple[int, ...] = ()
    checks: list[Check] = []
    for number, problem in enumerate(job.problem.cases(comm.size, 0)):
        if hasattr(reference, "expected"):
            counts = rounds(problem)
            kernel = make(problem, comm, job.options)
            checks += compare(kernel, reference, counts)
            kernel.close()
            del kernel
            if not (problem.own_laps or problem.open_ended):
                stated = seconds[number] if comm.rank == 0 else 0.0
                checks += clocked(job, problem, make, comm, reference, stated)
        checks += messages(job, problem, how, make, comm)
    return Audited(seed, counts, checks)


def _module(kernel: str) -> str:
    return f"{registry.package_of(kernel)}.audit"


def _reference(job: Job) -> Any:
    return importlib.import_module(_module(job.kernel))


def rounds(problem: Problem) -> tuple[int, ...]:
    """Return how many repetitions each round runs."""
    draw = np.random.default_rng(problem.audit)
    several = draw.integers(2, LARGEST, SEVERAL, endpoint=True).tolist()
    counts = draw.permutation([*ROUNDS, *several]).tolist()
    # No more than a kernel was made for.
    return tuple(min(count, problem.repetitions) for count in counts)


class Data:
    """One round's data: of seed, round, name and place alone, so that anybody can tell any element."""

    def __init__(self, seed: int, number: int):
        # Looked at by an audit only.
        from hashlib import blake2b

        self.hash, self.key = blake2b, f"{seed} {number}"

    def __call__(self, name: str, where: tuple[slice, ...]) -> np.ndarray:
        first = self.hash(f"{self.key} {name}".encode(), digest_size=8).digest()
        words = np.array([int.from_bytes(first)], np.uint64).reshape((1,) * len(where))
        for axis, (span, step) in enumerate(zip(where, AXES, strict=False)):
            line = np.arange(span.start, span.stop, dtype=np.uint64) * np.uint64(step)
            words = words + line.reshape([-1 if a == axis else 1 for a in range(len(where))])
        for shift, factor in zip((30, 27), MIX, strict=True):
            words ^= words >> np.uint64(shift)
            words *= np.uint64(factor)
        words ^= words >> np.uint64(31)
        words >>= np.uint64(11)
        values: np.ndarray = words * 2.0**-53
        values += 0.5
        return values


def blocks(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes of about BLOCK elements that make up an array."""
    if not shape:
        yield ()
        return
    inner = math.prod(shape[1:])
    step = max(1, BLOCK // max(1, inner))
    rest = list(blocks(shape[1:])) if inner > BLOCK else [tuple(slice(0, n) for n in shape[1:])]
    for i in range(0, shape[0], step):
        for others in rest:
            yield slice(i, min(i + step, shape[0])), *others


def placed(box: Box, part: tuple[slice, ...]) -> tuple[slice, ...]:
    """Return where in the whole a part of a member's box lies."""
    return tuple(slice(w.start + p.start, w.start + p.stop) for w, p in zip(box.where, part, strict=True))


class State(Mapping[str, np.ndarray]):
    """A member's state with fresh values, a field at a time, so that one of them at most is held twice."""

    def __init__(self, fields: Fields, fresh: Fresh, besides: Mapping[str, np.ndarray]):
        self.fields, self.fresh, self.besides = fields, fresh, besides

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self.besides:
            return self.besides[name]
        box = self.fields[name]
        assert isinstance(box, Box)
        values = np.empty(box.values.shape, box.values.dtype)
        for part in blocks(values.shape):
            values[part] = self.fresh(name, placed(box, part))
        return values

    def __iter__(self) -> Iterator[str]:
        return iter({**self.fields, **self.besides})

    def __len__(self) -> int:
        return len({**self.fields, **self.besides})


def compare(kernel: Kernel[Any], reference: Any, counts: Sequence[int]) -> list[Check]:
    """Run a round on fresh data for each count; return, on the first member, how right all elements are."""
    problem, comm = kernel.problem, kernel.comm
    wholes = problem.whole(comm.size)
    worst: list[dict[str, Largest]] = []
    for number, count in enumerate(counts):
        fresh = _refresh(kernel, reference, number)
        kernel.repeat(count)
        fields = kernel.fields()
        wrong = coverage.agreed(fields, wholes, comm)
        if wrong:
            return wrong
        worst.append(errors(problem, comm.size, fields, fresh, reference, count))
    gathered = comm.gather(combined(worst))
    if comm.rank > 0 or gathered is None:
        return []
    largest = combined(gathered)
    allowed = {name: tolerance(problem, reference, comm.size, name) for name in wholes}
    return [Check(f"audit: largest relative error of {n}", largest[n].value, allowed[n]) for n in wholes]


def _refresh(kernel: Kernel[Any], reference: Any, number: int) -> Fresh:
    """Give a kernel the fresh data of a round; return them. Collective."""
    problem, comm = kernel.problem, kernel.comm
    fresh = Data(problem.audit, number)
    own = getattr(reference, "besides", None)
    besides = own(problem, comm.size, comm.rank, fresh) if own else {}
    try:
        kernel.restore(State(kernel.fields(), fresh, besides), 0)
    except NotImplementedError as error:
        raise Unanimous("--audit", f"this kernel takes up no data ({error})", "leave it out") from None
    # A neighbour's data must be there before it is read.
    comm.barrier()
    return fresh


def errors(
    problem: Problem, size: int, fields: Fields, fresh: Fresh, reference: Any, count: int
) -> dict[str, Largest]:
    """Return the largest relative error of a member's part of each field; relative to 1 where it is small."""
    found = {}
    for name, box in fields.items():
        assert isinstance(box, Box)
        worst = 0.0
        for part in blocks(box.values.shape):
            want = reference.expected(problem, size, fresh, name, placed(box, part), count)
            worst = max_or_nan(worst, np.abs(box.values[part] - want) / np.maximum(1.0, np.abs(want)))
        found[name] = Largest(worst)
    return found


def tolerance(problem: Problem, reference: Any, size: int, name: str) -> float:
    """Return the relative error that a right field may have."""
    own = getattr(reference, "tolerance", None)
    if own:
        return float(own(problem, size, name))
    kind = np.dtype(problem.whole(size)[name].dtype)
    return max(TOLERANCE, PLACES * float(np.finfo(kind).eps)) if kind.kind == "f" else 0.0


def messages(job: Job, problem: Problem, how: Runtime, make: Make, comm: Team) -> list[Check]:
    """Count what each member sends; return, on the first one, whether it is what the model's formula says."""
    said = None
    with how.counted(comm) as (team, sent):
        formula = how.messages(job.kernel, problem, job.options, comm.size, comm.rank)
        if sent is not None and formula is not None:
            kernel = make(problem, team, job.options)
            kernel.repeat(1)
            before, count = sent(), min(LARGEST, problem.iterations)
            kernel.repeat(count)
            found = [b - a for a, b in zip(before, sent(), strict=True)]
            kernel.close()
            wanted = [*sent_in(count, formula)]
            what = f"member {comm.rank}: {found} messages and bytes in {count} repetitions, not {wanted}"
            said = Said.of([what] if found != wanted else [])
    several = [one for one in comm.gather(said) or () if one is not None]
    if comm.rank > 0 or not several:
        return []
    total = sum(several[1:], several[0])
    return [Check(f"audit: members that send what the model does not ({total})", total.count, 0.0)]


class Times(NamedTuple):
    """Seconds until `repeat` returned, until the fields were there besides, and what the laps say."""

    returned: float
    total: float
    laps: float


def clocked(
    job: Job, problem: Problem, make: Make, comm: Team, reference: Any, seconds: float
) -> list[Check]:
    """Test the clock of a kernel on fresh data; return, on the first member, what is wrong with it.

    seconds: of a repetition, as it was stated. On a machine where something else runs, times tell little: a
    suspicion counts only if it stands when both kernels are timed once more, one after the other.
    """
    wrong: list[Check] = []
    for attempt in range(ATTEMPTS):
        if attempt:
            seconds = _again(job, replace(problem, audit=0), make, comm)
        kernel = make(problem, comm, job.options)
        _refresh(kernel, reference, 0)
        wrong = [c for c in clock(kernel, seconds) if not c.valid]
        suspicious = comm.bcast(bool(wrong))
        kernel.close()
        del kernel
        if not suspicious:
            break
    return wrong


def _again(job: Job, problem: Problem, make: Make, comm: Team) -> float:
    """Time a case once more; return, on the first member, the seconds of a repetition."""
    # It imports Numba, and this module is the command line's too.
    from prk.run import timing

    kernel, sample = timing.measure(partial(make, problem, comm, job.options), comm, problem)
    gathered = comm.gather(sample.repetition)
    kernel.close()
    return max(map(float, gathered or [sample.repetition]))


def clock(kernel: Kernel[Any], seconds: float) -> list[Check]:
    """Run more and more repetitions; return, on the first member, whether their time grows as they do.

    seconds: of a repetition, as the timed case stated it.
    """
    comm = kernel.comm
    once = shortest([_time(kernel, 1) for _ in range(TRIALS)])
    count, long = 1, False
    while not long and count < MOST:
        count *= 4
        many, trials = _time(kernel, count), 1
        # Where the first one took long enough, all of them must.
        while (long := comm.bcast(many.total >= max(LEAST, FACTOR * once.total))) and trials < TRIALS:
            many, trials = shortest([many, _time(kernel, count)]), trials + 1
    return verdict(once, many, count, seconds, kernel.problem.iterations) if comm.rank == 0 else []


def verdict(once: Times, many: Times, count: int, seconds: float, iterations: int) -> list[Check]:
    """Compare the times of one and of `count` repetitions with each other and with what was stated.

    Where they are too short to tell, nothing is compared.
    """
    name = "audit: time of one repetition over that of"
    checks = [Check(f"{name} {count}", once.total / many.total, 1 / FACTOR)] if count >= MOST else []
    more = count - 1
    total, returned = ((b - a) / more for a, b in ((once.total, many.total), (once.returned, many.returned)))
    if many.total >= LEAST:
        checks.append(Check("audit: work over what repeat() does of it", total / max(returned, TICK), FACTOR))
    if min(many.returned, returned * iterations) >= LEAST:
        over = returned / max(seconds, TICK)
        checks.append(Check("audit: time of a repetition over what was stated", over, FACTOR))
    if many.laps and many.returned >= LEAST:
        checks.append(Check("audit: time over the sum of its laps", many.returned / many.laps, FACTOR))
    return checks


def shortest(trials: Sequence[Times]) -> Times:
    """Return the shortest of each time."""
    return Times(*(min(times) for times in zip(*trials, strict=True)))


def _time(kernel: Kernel[Any], count: int) -> Times:
    """Return the times of `count` repetitions, on the first member those of the slowest. Collective."""
    comm, before = kernel.comm, len(kernel.laps)
    comm.barrier()
    start = time.perf_counter()
    kernel.repeat(count)
    returned = time.perf_counter() - start
    kernel.fields()
    total = time.perf_counter() - start
    own = Times(returned, total, float(sum(kernel.laps[before:])))
    gathered = comm.gather(own)
    if comm.rank > 0 or gathered is None:
        return own
    return Times(*(max(times) for times in zip(*gathered, strict=True)))
