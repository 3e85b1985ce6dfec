"""Break a runtime's own files by small mistakes, one at a time, and see whether a run notices."""

import json
import os
import random
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from prk.conformance import conform, mutants, processes, team
from prk.conformance.conform import Cell, lines
from prk.conformance.mutants import Mutant
from prk.run import registry

# With a neighbour on one side, and on both; and where these are refused.
MEMBERS, EVEN = (2, 3), 4
# What takes the place of a statement to see whether any run comes to it.
REACHED = "raise RuntimeError('reached')"
# What is in the name of a module that runtimes share.
SHARED = "._"
# What is said of a mutant that survives.
NOTHING, UNREACHED = "nothing notices", "no run comes there"
# Which module is broken, and the file with its broken source.
MUTANT = "PRK_MUTANT"
# Read by Python itself at the start of every process of the team, whatever starts it; writes to no package.
HOOK = f"""\
import importlib.util
import os
import sys


class Broken:
    def find_spec(self, name, path=None, target=None):
        module, _, file = os.environ["{MUTANT}"].partition("=")
        return importlib.util.spec_from_file_location(name, file) if name == module else None


sys.meta_path.insert(0, Broken())
"""


@dataclass(frozen=True)
class Tried:
    """One mutant of a runtime and what became of it: killed by what, or survived."""

    runtime: str
    kernels: tuple[str, ...]
    mutant: Mutant
    killed: bool
    how: str
    seconds: float

    @property
    def key(self) -> tuple[object, ...]:
        return self.runtime, *self.mutant.key

    def state(self, equivalent: "Equivalent") -> str:
        """Return as what it counts: elsewhere is what runtimes share and only others run."""
        if self.killed:
            return "killed"
        if equivalent.reason(self.mutant):
            return "equivalent"
        return "elsewhere" if self.how == UNREACHED and SHARED in self.mutant.module else "survived"


class Equivalent:
    """Mutants that are no mistakes, each with its reason, as a TOML file lists them.

    A row names module, function, before and after; without `after` it speaks of all mutants of the statement.
    """

    def __init__(self, path: Path | None):
        rows = tomllib.loads(path.read_text()).get("equivalent", []) if path and path.exists() else []
        self.reasons = {(r["module"], r["function"], r["before"], r.get("after")): r["reason"] for r in rows}

    def reason(self, mutant: Mutant) -> str:
        """Return why a mutant is no mistake, or nothing."""
        known = (mutant.module, mutant.function, mutant.before)
        found: str = self.reasons.get((*known, mutant.after)) or self.reasons.get((*known, None), "")
        return found


@contextmanager
def broken(module: str, source: str) -> Iterator[dict[str, str]]:
    """Yield the variables under which every process that is started imports a module from another source."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{module.rpartition('.')[2]}.py")
        file.write_text(source)
        hook = Path(folder, "hook")
        hook.mkdir()
        Path(hook, "sitecustomize.py").write_text(HOOK)
        before = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(hook), *([before] if before else [])])
        # What has the unbroken code inside may be cached.
        cache = {"NUMBA_CACHE_DIR": str(Path(folder, "cache"))} if inlined(module, source) else {}
        yield {MUTANT: f"{module}={file}", "PYTHONPATH": path, **cache}


def inlined(module: str, source: str) -> bool:
    """Tell whether other modules may have compiled code of this one inside their own."""
    # A kernel's own file is imported by none.
    return "njit" in source and module.rpartition(".")[2] not in registry.kernels()


def modules(runtime: str, kernel: str, shared: bool) -> list[str]:
    """Return the modules of a runtime that its kernel imports; `shared`: with what others have in common."""
    package = registry.runtimes()[runtime]
    start = registry.module_of(runtime, kernel)
    siblings = f"{package.rpartition('.')[0]}._"

    def belongs(module: str) -> bool:
        return module == start or module.startswith((f"{package}.", *([siblings] if shared else [])))

    return mutants.modules(start, belongs) if start else []


def pool(runtime: str, kernels: Sequence[str], shared: bool) -> dict[Mutant, tuple[str, ...]]:
    """Return all mutants of a runtime, each with the kernels that can show it."""
    found: dict[str, list[str]] = {}
    for kernel in kernels:
        for module in modules(runtime, kernel, shared):
            found.setdefault(module, []).append(kernel)
    return {
        mutant: tuple(using)
        for module, using in found.items()
        for mutant in mutants.mutants(module, mutants.source_of(module).read_text())
    }


class Trial:
    """Tries mutants of one runtime, on as few members as show a mistake."""

    def __init__(self, runtime: str, data: int, seed: int):
        self.runtime, self.data, self.seed = runtime, data, seed
        # Whether a case is right unbroken, or refused.
        self.right: dict[tuple[Cell, int], bool] = {}
        # Seconds that a cell takes where nothing is noticed.
        self.usual: dict[Cell, float] = {}

    def cells(self, kernel: str) -> list[Cell]:
        """Return how a kernel is started for every mutant: on few members, with every option of the team."""
        return list(conform.cells(self.runtime, kernel, MEMBERS, self.data, self.seed))

    def unbroken(self, cell: Cell, module: str, case: int) -> bool:
        """Tell whether a case runs without any mistake, or is refused. Raises RuntimeError if it fails."""
        if (cell, case) not in self.right:
            with broken(module, mutants.source_of(module).read_text()) as variables:
                ended = start(cell, variables, case, str(case))
            if ended.code not in (0, 2):
                raise RuntimeError(f"{cell.kernel} on {self.runtime} fails unbroken: {ended.reason}")
            self.right[cell, case] = ended.code == 0
        return self.right[cell, case]

    def notices(self, cell: Cell, module: str, source: str) -> str | None:
        """Return what notices that a module has another source, or nothing; None: all is refused."""
        if not self.right.get((cell, 0), True):
            return None
        with broken(module, source) as variables:
            ended = start(cell, variables)
        if ended.code == 0:
            self.usual.setdefault(cell, ended.seconds)
            return ""
        begun = [said["number"] for said in lines(ended.out) if "number" in said]
        # How the case runs unbroken is asked for only where something notices.
        if not self.unbroken(cell, module, max(begun, default=0)):
            return None
        return f"{cell.kernel} on {cell.members}: {told(ended.out, ended.reason)}"

    def noticed(self, mutant: Mutant, kernels: Sequence[str]) -> str:
        """Run what a mutant may break until something notices, what takes longest last; return what does."""
        source = mutants.mutated(mutant, mutants.source_of(mutant.module).read_text())
        cells = [cell for kernel in kernels for cell in self.cells(kernel)]
        for cell in sorted(cells, key=lambda cell: self.usual.get(cell, 0)):
            found = self.notices(cell, mutant.module, source)
            if found is None and cell.members == MEMBERS[-1]:
                found = self.notices(replace(cell, members=EVEN), mutant.module, source)
            if found:
                return found
        return ""

    def attempt(self, mutant: Mutant, kernels: Sequence[str]) -> Tried:
        """Try a mutant; where nothing notices, look whether its statement is run at all."""
        begin = time.monotonic()
        how = self.noticed(mutant, kernels)
        killed = bool(how)
        if not killed:
            how = NOTHING if self.noticed(replace(mutant, after=REACHED), kernels) else UNREACHED
        return Tried(self.runtime, tuple(kernels), mutant, killed, how, time.monotonic() - begin)


def start(
    cell: Cell, variables: Mapping[str, str], first: int = 0, last: str = team.WRONG
) -> processes.Ended:
    """Run a cell's matrix from case to case, by default up to the first wrong one."""
    # Every pair of values on few members; with more, or with an option of the team, every value.
    strength = 1 if cell.options or cell.members > conform.FEW else 2
    words = [str(first), last, str(cell.seed), str(strength), *cell.job]
    return cell.start(["prk.conformance.team", *words], team.LIMIT + 30, variables)


def told(out: str, reason: str) -> str:
    """Return what a matrix says is wrong, or how it ended."""
    wrong = [said["why"] for said in lines(out) if said.get("why")]
    return wrong[0] if wrong else reason


def tried(path: Path | None) -> dict[tuple[object, ...], Tried]:
    """Return what a file says of earlier trials, the last word on each mutant."""
    found = {}
    for line in path.read_text().splitlines() if path and path.exists() else []:
        row = json.loads(line)
        one = Tried(**{**row, "kernels": tuple(row["kernels"]), "mutant": Mutant(**row["mutant"])})
        found[one.key] = one
    return found


def mutate(
    work: Sequence[tuple[str, Sequence[str]]],
    budget: float,
    data: int,
    seed: int,
    shared: bool,
    path: Path | None,
    equivalent: Equivalent,
) -> Iterator[Tried]:
    """Yield the trials of mutants of runtimes and their kernels while the budget lasts.

    They come in random order, a mutant of each runtime by turns. What the file has already is not tried
    again, and what is tried is added to it; nor is what is no mistake.
    """
    known = tried(path)
    drawn = random.Random(seed)
    waiting: list[tuple[int, tuple[str, Mutant, tuple[str, ...]]]] = []
    for runtime, kernels in work:
        own = [(runtime, *one) for one in pool(runtime, kernels, shared).items()]
        drawn.shuffle(own)
        waiting += enumerate(own)
    waiting.sort(key=lambda turn: turn[0])
    trials = {runtime: Trial(runtime, data, seed) for runtime, _ in work}
    end = time.monotonic() + budget
    for _, (runtime, mutant, using) in waiting:
        if (runtime, *mutant.key) in known:
            yield known[runtime, *mutant.key]
        elif time.monotonic() >= end:
            continue
        elif reason := equivalent.reason(mutant):
            yield Tried(runtime, using, mutant, killed=False, how=reason, seconds=0)
        else:
            one = trials[runtime].attempt(mutant, using)
            if path:
                with path.open("a") as file:
                    file.write(json.dumps(asdict(one)) + "\n")
            yield one


def scores(found: Sequence[Tried], equivalent: Equivalent) -> list[tuple[str, ...]]:
    """Return a table: of each runtime, how many were tried, as what they count, and the score."""
    states = ("killed", "equivalent", "elsewhere", "survived")
    rows: list[tuple[str, ...]] = [("runtime", "tried", *states, "score")]
    for runtime in dict.fromkeys(one.runtime for one in found):
        own = [one for one in found if one.runtime == runtime]
        n = Counter(one.state(equivalent) for one in own)
        counted = n["killed"] + n["survived"]
        score = f"{100 * n['killed'] / counted:.1f} %" if counted else ""
        rows.append((runtime, str(len(own)), *(str(n[state]) for state in states), score))
    return rows


def unnoticed(found: Sequence[Tried], equivalent: Equivalent) -> list[tuple[str, ...]]:
    """Return a table of what nothing noticed, as what it counts, and why; what survived comes first."""
    order = ("survived", "elsewhere", "equivalent")
    rows = [
        (t.state(equivalent), t.runtime, f"{t.mutant.module}:{t.mutant.line} {t.mutant.function}",
         t.mutant.before, t.mutant.after, equivalent.reason(t.mutant) or t.how)
        for t in found
        if not t.killed
    ]  # fmt: skip
    heads = ("", "runtime", "where", "as it is", "broken", "why")
    return [heads, *sorted(rows, key=lambda row: order.index(row[0]))] if rows else []


def survivors(found: Sequence[Tried], equivalent: Equivalent) -> list[str]:
    """Return lines on each mutant that nothing noticed: where, what, and why that is none, if it is said."""
    said = []
    for one in found:
        if not one.killed:
            m, state = one.mutant, one.state(equivalent)
            where = f"{one.runtime} {mutants.source_of(m.module)}:{m.line} {m.function}: {m.kind}"
            why = equivalent.reason(m) or one.how
            first = f"{state.upper() if state == 'survived' else state} {where}: {why}"
            said.append(f"{first}\n    - {m.before}\n    + {m.after}")
    return said
