"""The checks of one runtime on one kernel: its matrix, its command line, and members that misbehave."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prk import cli
from prk.conformance import matrix, misbehave, processes, team
from prk.conformance.report import Result
from prk.problem import Refusal
from prk.run import audit, launcher, registry
from prk.runtime import Options, Runtime

# The members with whom everything is tried that does not depend on their number.
FEW = 2
# Seconds of a run that is expected to end by itself; in which a job with a broken member must end; and
# after which one that hangs is to end itself.
ALONE, SOON, HANG = 60, 20, 5
# How often a matrix is taken up again after a case that ended the job.
TRIES = 3


@dataclass(frozen=True)
class Cell:
    """A runtime's kernel as it is started with a number of members and the team's options."""

    runtime: str
    kernel: str
    members: int
    options: tuple[str, ...] = ()
    # The seed of the data, and of the combinations that are tried.
    data: int = 0
    seed: int = 0

    @property
    def how(self) -> Runtime:
        return registry.runtime(self.runtime)

    @property
    def words(self) -> list[str]:
        """Return the words after the kernel's name."""
        how = self.how
        count = [] if how.launched or not how.count_option else [f"--{how.count_option}", str(self.members)]
        return ["--runtime", self.runtime, *count, *self.options, *self.audited]

    @property
    def job(self) -> list[str]:
        """Return the kernel's name and its words."""
        return [self.kernel, *self.words]

    @property
    def chosen(self) -> Options:
        """Return the values of the runtime's options."""
        job, _ = cli.parse(self.kernel, self.words)
        return job.options

    @property
    def audited(self) -> list[str]:
        return ["--audit-seed", str(self.data)] if self.data else []

    def start(
        self, module: Sequence[str], limit: float, variables: Mapping[str, str] | None = None
    ) -> processes.Ended:
        """Start a module with its words on all members."""
        how = self.how
        command = [sys.executable, "-m", *module]
        if how.launched:
            step = launcher.words({"ranks": self.members}, unbound=how.unbound)
            # Another library may be chosen, with a launcher of its own.
            command = how.in_allocation(step, command, self.chosen, tempfile.gettempdir())
        extra = launcher.environment(len(os.sched_getaffinity(0)) < self.members)
        return processes.run(command, limit, {**extra, **(variables or {})})

    def result(self, name: str, why: str = "", **more: Any) -> Result:
        return Result(self.runtime, self.kernel, self.members, name, why, **more)


def audits(runtime: str, kernel: str) -> bool:
    """Tell whether the kernel can be audited."""
    job, _ = cli.parse(kernel, ["--runtime", runtime, "--audit-seed", "1"])
    try:
        audit.refuse(job)
    except Refusal:
        return False
    return True


def cells(runtime: str, kernel: str, ranks: Sequence[int], data: int, seed: int) -> Iterator[Cell]:
    """Yield how a cell is started: each number of members, and each other value of the team's options."""
    how = registry.runtime(runtime)
    alone = not how.launched and not how.count_option
    counts = [1] if alone else list(ranks)
    data = data if audits(runtime, kernel) else 0
    for count in counts:
        yield Cell(runtime, kernel, count, (), data, seed)
    few = FEW if FEW in counts else counts[-1]
    for option in matrix.common(how):
        if how.launched or option.name != how.count_option:
            for value in matrix.choices(option)[1:]:
                yield Cell(runtime, kernel, few, (f"--{option.name}", str(value)), data, seed)


def conform(runtime: str, kernel: str, ranks: Sequence[int], data: int, seed: int) -> Iterator[Result]:
    """Yield the results of all checks of one cell."""
    every = list(cells(runtime, kernel, ranks, data, seed))
    if not every[0].data:
        yield every[0].result("audit", f"{kernel} has no audit.py", left_out=True)
    plain = [cell for cell in every if not cell.options]
    few = next((cell for cell in plain if cell.members == FEW), plain[-1])
    for cell in every:
        # With the number of members it is every pair again, and every value of the team's options.
        found = list(through_matrix(cell, 2 if cell == few else 1))
        if cell.options and all(result.left_out for result in found):
            found = list(through_matrix(replace(cell, members=max(ranks)), 1))
        yield from found
    yield by_command(few)
    yield refused(few)
    for how in misbehave.HOW:
        yield misbehaving(few, how)


def through_matrix(cell: Cell, strength: int) -> Iterator[Result]:
    """Yield a result for each case of the matrix, all of them run by as few launches as will do."""
    first = 0
    for _ in range(TRIES):
        words = [str(first), team.END, str(cell.seed), str(strength), *cell.job]
        ended = cell.start(["prk.conformance.team", *words], team.LIMIT + 30)
        begun: dict[str, Any] | None = None
        for said in lines(ended.out):
            if "number" in said:
                begun = said
            else:
                begun = None
                name = " ".join([*cell.options, said["case"]])
                yield cell.result(name, said["why"], seconds=said["seconds"])
                if said["left"]:
                    yield cell.result(f"audit of {name}", said["left"], left_out=True)
        if begun is None:
            break
        yield cell.result(" ".join([*cell.options, begun["case"]]), ended.reason, seconds=ended.seconds)
        first = begun["number"] + 1
    yield from launched(cell, ended)


def launched(cell: Cell, ended: processes.Ended) -> Iterator[Result]:
    """Yield what is wrong with the end of a matrix's launch itself, if anything is."""
    name = " ".join(["the whole matrix", *cell.options])
    if ended.code == 2:
        yield cell.result(name, ended.reason, left_out=True)
    elif not any("why" in said for said in lines(ended.out)) or ended.code not in (0, 1):
        yield cell.result(name, ended.reason)
    if ended.left:
        yield cell.result(name, f"it leaves {len(ended.left)} processes: {ended.left[0]}")


def lines(out: str) -> list[dict[str, Any]]:
    """Return what a team's first member told."""
    told = (line for line in out.splitlines() if line.startswith(team.SAID))
    return [json.loads(line.removeprefix(team.SAID)) for line in told]


def smallest(cell: Cell) -> list[str]:
    """Return the options of the cell's smallest problem, as its own command line takes them."""
    job, _ = cli.parse(cell.kernel, cell.words)
    how = cell.how
    # What its threads are is in the count already.
    each = 1 if how.cell(cell.kernel).crew else how.members_a_rank(cell.kernel, job.options)
    small = next(iter(matrix.cases(job, how, cell.members * each, cell.seed)))
    return matrix.words(small)


def by_command(cell: Cell) -> Result:
    """Run the kernel by its own command, as users do."""
    module = registry.package_of(cell.kernel)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.json")
        ended = cell.start([module, *smallest(cell), "--json", str(path)], ALONE)
        why = team.judged(ended.code, ended.out, path) if ended.code == 0 else ended.reason
    return cell.result("by its command", why or outlived(ended), seconds=ended.seconds)


def refused(cell: Cell) -> Result:
    """Ask for what no problem has: one line, and exit code 2."""
    ended = cell.start([registry.package_of(cell.kernel), *cell.words, "--iterations", "0"], ALONE)
    said = [line for line in ended.err.splitlines() if "--iterations" in line]
    why = "" if ended.code == 2 else f"exit code {ended.code}, not 2"
    if not why and len(said) != 1:
        why = f"{len(said)} lines say why"
    return cell.result("a refusal", why or outlived(ended), seconds=ended.seconds)


def misbehaving(cell: Cell, how: str) -> Result:
    """Let the last member misbehave in mid-run: the job must end, soon, as a failure, and as a whole."""
    limit = HANG + SOON if how == "hangs" else SOON
    words = [how, cell.kernel, *smallest(cell), "--timeout", str(HANG if how == "hangs" else limit)]
    name = f"a member {how}"
    separate = cell.how.launched or (cell.members > 1 and not cell.how.cell(cell.kernel).shared)
    if how == "vanishes" and not separate:
        return cell.result(name, "nobody else is there to notice", left_out=True)
    ended = cell.start(["prk.conformance.misbehave", *words], limit)
    why = outlived(ended)
    if ended.code is None:
        why = f"the job does not end in {limit} s"
    elif ended.code == 0:
        why = "the job ends with exit code 0"
    elif how == "raises" and misbehave.MESSAGE not in ended.err + ended.out:
        why = "nobody says what it raised"
    return cell.result(name, why, seconds=ended.seconds)


def outlived(ended: processes.Ended) -> str:
    """Say which process outlived a launch, or nothing."""
    return f"it leaves {len(ended.left)} processes: {ended.left[0]}" if ended.left else ""
