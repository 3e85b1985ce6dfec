"""What every kernel's problem has in common: parameters, refusals, metrics, cost, and the check."""

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from prk.check import Check, Fields, Partial, Target
from prk.cost import Cost
from prk.coverage import Whole
from prk.metric import MFLOPS, Metric


class Refusal(Exception):
    """Wrong input: one line that names the option and says what would work. Exit code 2."""

    def __init__(self, option: str, problem: str, remedy: str):
        super().__init__(f"{option}: {problem}; {remedy}")


class Unanimous(Refusal):
    """A refusal that all members raise together while they run, so that none waits for another."""


@dataclass(frozen=True)
class Measured:
    """One case after its run, as the first member knows it."""

    # The case itself; `iterations` is how many repetitions were timed, also where a condition ended the run.
    problem: "Problem"
    # Seconds of one repetition: the slowest member's mean, and of each repetition its slowest member.
    seconds: float
    laps: tuple[float, ...]
    checks: tuple[Check, ...]
    # What each member's kernel found out besides.
    findings: tuple[dict[str, Any], ...]

    @property
    def valid(self) -> bool:
        return all(c.valid for c in self.checks)


@dataclass(frozen=True)
class Curve:
    """A figure of tables: one column over another one or over a parameter, or over the cores if `x` is empty.

    source: the list in the summary that has the rows, where they are not the table's. Such a figure is drawn
        of a few points only, over an x that is not logarithmic unless it was measured
        and spans decades.
    unit: x's unit, where its heading does not state it.
    limit: the column of the table that says which x must not be exceeded, drawn as a line.
    """

    title: str
    y: str
    x: str = ""
    source: str = ""
    limit: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Map:
    """A figure of tables: a column over two parameters of the points, where both vary.

    marked: the least and the largest of the values that something published states.
    last: a value of x that stands at its end, such as one that means without limit.
    goal: the least that a cell should have, or the most, where less is better.
    """

    title: str
    value: str
    x: str
    y: str
    marked: tuple[float, float] | None = None
    larger_is_better: bool = True
    last: float | None = None
    goal: float | None = None


@dataclass(frozen=True)
class Balancing:
    """What says how a kernel's load is balanced, for the figures of imbalance.

    name: of the parameter, or of the runtimes' option.
    base: its value where load stays where it happens to be, which others are compared with.
    """

    name: str
    base: str


def absent(packages: Iterable[str], install: str) -> str | None:
    """Say which of the packages is not installed and what installs it, or return None; import none."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; {install}"
    return None


_SAME = object()


def parameter(
    default: Any,
    text: str,
    choices: tuple[str, ...] = (),
    label: str = "",
    *,
    size: bool = False,
    exponent: bool = False,
    compiled: bool = False,
    introduced: Any = _SAME,
) -> Any:
    """Declare a parameter that is also a command-line option; `label` is its name in the printed lines.

    size: it says how large the problem is, so that a small one may have another value.
    exponent: what is as large as that is two to its power.
    compiled: each of its choices is compiled code of its own.
    introduced: the default that it had when it was introduced, where that has changed since; a value equal to
        it is no part of a point's identity, so that results age well.
    """
    about = {
        "help": text, "choices": choices, "label": label, "size": size, "exponent": exponent,
        "compiled": compiled,
    }  # fmt: skip
    return field(
        default=default, metadata={**about, "introduced": default if introduced is _SAME else introduced}
    )


# Names of parameters, and choices that are no parameters.
Positional = tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kernel's parameters with what follows from them alone; equal on all members, no I/O."""

    title: ClassVar[str]
    # Counts up when the same parameters come to mean another computation: results of two versions never mix.
    version: ClassVar[int] = 1
    # What a run measures; the first is the one that PRK's closing line states.
    metrics: ClassVar[tuple[Metric, ...]] = (MFLOPS,)
    # What the kernel imports on every runtime, and the command that installs that.
    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    # The table's columns: their names in the record, with heading and format as printed.
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {}
    # The figures that a sweep's page draws from the tables of its records.
    curves: ClassVar[tuple[Curve, ...]] = ()
    maps: ClassVar[tuple[Map, ...]] = ()
    balancing: ClassVar[Balancing | None] = None
    # The table's columns whose medians a sweep's page lists, and those whose variation it states, too.
    portrait: ClassVar[tuple[str, ...]] = ()
    varying: ClassVar[tuple[str, ...]] = ()
    # The parameters that the suite's C programs take as bare words, in their order; a tuple is a word that
    # has no parameter here, and the values that are let by.
    positional: ClassVar[Positional] = ()
    # Whether its scaling is shown relative to a base, or as it is.
    relative: ClassVar[bool] = False
    # Whether `iterations` is a limit only, and the kernel's `finished` says when the run is over.
    open_ended: ClassVar[bool] = False
    # Timed repetitions come in multiples of it.
    multiple: ClassVar[int] = 1
    # Whether kernels do something between repetitions that is no part of them, and state `laps`.
    own_laps: ClassVar[bool] = False

    iterations: int = parameter(
        10, "timed repetitions; one more runs first, untimed", label="Number of iterations"
    )

    # 0: the data of the specification. Else the seed of the data that an audit runs on; no option of its own.
    audit: int = parameter(0, "seed of the audit's data", label="Audited, seed")

    @classmethod
    def bare_words(cls, given: Sequence[str]) -> Positional:
        """Return the parameters that bare words stand for, where one of those given says what follows it."""
        return cls.positional

    @classmethod
    def every(cls, name: str) -> Sequence[Mapping[str, Any]]:
        """Return what "*" stands for in a sweep, where it is a parameter's value: each of its choices.

        Other parameters may go with a choice, where a sweep does not state them.
        """
        own = next(f for f in fields(cls) if f.name == name)
        return [{name: choice} for choice in own.metadata["choices"] or ("*",)]

    @property
    def repetitions(self) -> int:
        """Return K: the timed repetitions and the warm-up, which counts in the answer."""
        return self.iterations + 1

    @property
    def conforming(self) -> bool:
        """Tell whether the run keeps the specification's rules (grouped synchronisation does not)."""
        return True

    @property
    def work(self) -> float:
        """Return what the first metric counts of a repetition (flop, bytes); the mean if it varies."""
        raise NotImplementedError

    def work_of(self, size: int) -> float:
        """Return what the first metric counts of a repetition on `size` members, where each adds to it."""
        return self.work

    def cost(self, size: int, repetition: int = 1) -> Cost:
        """Return the least that a repetition takes on `size` members; nothing where nothing bounds it."""
        return Cost()

    @property
    def period(self) -> int:
        """Return after how many repetitions their costs repeat."""
        return 1

    def mean_cost(self, size: int) -> Cost:
        """Return the mean cost of a timed repetition on `size` members."""
        counted = range(1, max(1, min(self.iterations, self.period)) + 1)
        if len(counted) == 1:
            return self.cost(size)
        return sum((self.cost(size, k) for k in counted), Cost()) / len(counted)

    def memory(self, size: int) -> int:
        """Return the largest number of bytes that one of `size` members allocates."""
        raise NotImplementedError

    @property
    def remark(self) -> str:
        """Return what whoever reads the run's figures must know; empty: nothing."""
        return ""

    @property
    def logs(self) -> int:
        """Return of how many trainings a repeat's log stands beside the record (`summary`'s `trainings`)."""
        return 0

    def refuse(self, size: int) -> None:
        """Raise Refusal if `size` members cannot run this problem."""
        if self.iterations < 1:
            raise Refusal("--iterations", f"{self.iterations} is too few", f"use at least {self.multiple}")
        if left := self.iterations % self.multiple:
            below, above = self.iterations - left, self.iterations - left + self.multiple
            works = f"{below} or {above}" if below else f"{above}"
            raise Refusal(
                "--iterations", f"{self.iterations} is no multiple of {self.multiple}", f"use {works}"
            )

    def most_threads(self, size: int) -> int | None:
        """Return the most threads that have something to do in each of `size` members; None: any number."""
        return None

    def tolerance(self, name: str) -> float:
        """Return the relative error that a right field may have, compared with any independent version."""
        return 1e-8

    def whole(self, size: int) -> Mapping[str, Whole]:
        """Return what the fields of all `size` members together are, by name: shapes and types."""
        raise NotImplementedError

    def partial(self, parts: Fields) -> Partial:
        """Reduce one member's fields to partial results; they are combined by `+`, name by name."""
        raise NotImplementedError

    def check(self, found: Partial) -> list[Check]:
        """Compare the partial results of all members, combined, with the known answer."""
        raise NotImplementedError

    def values(self, case: Measured, size: int) -> dict[str, float]:
        """Return the metrics' values of one case by name, but for those that it has no value of."""
        first = self.metrics[0]
        return {first.name: first.of(case.problem.work_of(size), case.seconds)}

    def target(self, cases: Sequence[Measured]) -> Target | None:
        """Return what a right run was to reach besides being right, or None if nothing."""
        return None

    @classmethod
    def missing(cls) -> str | None:
        """Say why the kernel can run on no runtime here and what would help, or return None."""
        return absent(cls.requires, cls.install)

    def cases(self, size: int, number: int) -> "Sequence[Problem]":
        """Return what repeat `number` measures on `size` members: one case, or a series of them."""
        return [self]

    def stated(self, cases: Sequence[Measured]) -> Sequence[Measured]:
        """Return the cases of one repeat whose metrics are stated, each a sample; all are of one kind."""
        return cases[-1:]

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        """Return rows of plain values under `headings`, from the cases of every repeat."""
        return []

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        """Return what else the repeats tell, as names and plain values; lists are recorded only.

        Where the members count their messages: what one of them costs the process that takes in most.
        """
        cases = [case for repeat in repeats for case in repeat]
        taken: Counter[Any] = Counter()
        for found in cases[0].findings:
            taken[found.get("process")] += found.get("messages", 0)
        if not taken.total() or not all(case.valid for case in cases):
            return {}
        seconds = float(np.median([case.seconds for case in cases]))
        return {
            "messages a repetition": taken.total(),
            "time a message with its work (us)": round(1e6 * seconds / max(taken.values()), 3),
        }

    def smallest(self, size: int, refuse: Callable[[Self], None] | None = None) -> Self:
        """Return this problem as small as `size` members can have it, with as few timed repetitions.

        It runs the same compiled code. `refuse` raises Refusal for what a runtime besides cannot have.
        """
        names = sizes(type(self))
        wanted = {name: getattr(self, name) for name in names}
        # What happens every so often needs the repetitions that were asked for.
        for iterations in (self.multiple, self.iterations):
            for exponent in range(1, 40):
                # Multiples of the members, so that whatever must divide does; never larger than asked for.
                small = {n: min(scaled(type(self), n, size << exponent), v) for n, v in wanted.items()}
                problem = replace(self, iterations=iterations, **small)
                try:
                    problem.refuse(size)
                    if refuse:
                        refuse(problem)
                except Refusal:
                    if small == wanted:
                        break
                    continue
                return problem
        return replace(self, iterations=self.multiple)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters by name; the audit's seed only where there is an audit."""
        found = {name: getattr(self, name) for name in self.introduced()}
        if not found["audit"]:
            del found["audit"]
        return found

    @classmethod
    @cache
    def introduced(cls) -> Mapping[str, Any]:
        """Return the defaults that the parameters were introduced with, by name."""
        return {f.name: f.metadata["introduced"] for f in fields(cls)}


def sizes(kind: type[Problem]) -> list[str]:
    """Return the names of the parameters that say how large a problem is, the leading one first."""
    return [f.name for f in fields(kind) if f.metadata["size"]]


def scaled(kind: type[Problem], name: str, scale: int, value: int | None = None, more: int = 0) -> int:
    """Return a size's parameter for what is `scale` large, or so many times as large as with `value`.

    Then it is `more` besides; but what an exponent says grows by a power of two only.
    """
    if kind.__dataclass_fields__[name].metadata["exponent"]:
        return (value or 0) + scale.bit_length() - 1
    return (1 if value is None else value) * scale + more


def size_option(kind: type[Problem]) -> str:
    """Return the option that sets the problem's size."""
    return "--" + next(iter(sizes(kind)), "iterations").replace("_", "-")
