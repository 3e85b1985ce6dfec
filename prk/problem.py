"""What every kernel's problem has in common: parameters, refusals, and the analytic check."""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from statistics import median
from typing import Any, ClassVar

import numpy as np

# A field's global position (one slice an axis) and the array that holds it.
Field = tuple[tuple[slice, ...], np.ndarray]


class Refusal(Exception):
    """Wrong input: one line that names the option and says what would work. Exit code 2."""

    def __init__(self, option: str, problem: str, remedy: str):
        super().__init__(f"{option}: {problem}; {remedy}")


@dataclass(frozen=True)
class Check:
    """One criterion of the analytic check; a NaN is never valid."""

    name: str
    error: float
    tolerance: float

    @property
    def valid(self) -> bool:
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Measured:
    """One case after its run, as the first member knows it."""

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
    """A figure of tables: one column over another one, or over the cores where `x` is empty."""

    title: str
    y: str
    x: str = ""


def rate(work: int, seconds: float, unit: str) -> float:
    """Return work a second in `unit`, whose first letter says whether millions are counted."""
    return work / seconds / (1e6 if unit.startswith("M") else 1.0)


def absent(packages: Iterable[str], install: str) -> str | None:
    """Say which of the packages is not installed and what installs it, or return None; import none."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; {install}"
    return None


def parameter(
    default: Any, text: str, choices: tuple[str, ...] = (), label: str = "", option: str = ""
) -> Any:
    """Declare a parameter that is also a command-line option; `label` is its name in the printed lines."""
    return field(
        default=default, metadata={"help": text, "choices": choices, "label": label, "option": option}
    )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A kernel's parameters with what follows from them alone; equal on all ranks, no I/O."""

    title: ClassVar[str]
    # One that begins with M counts millions.
    unit: ClassVar[str] = "MFlops/s"
    # What the kernel imports on every runtime, and the command that installs that.
    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    # The table's columns: their names in the record, with heading and format as printed.
    headings: ClassVar[Mapping[str, tuple[str, str]]] = {}

    # The figures that a sweep's page draws from the tables of its records.
    curves: ClassVar[tuple[Curve, ...]] = ()

    iterations: int = parameter(
        10, "timed repetitions; one more runs first, untimed", label="Number of iterations"
    )

    @property
    def repetitions(self) -> int:
        """Return K: the timed repetitions and the warm-up, which counts in the answer."""
        return self.iterations + 1

    @property
    def conforming(self) -> bool:
        """Tell whether the run keeps the specification's rules (grouped synchronisation does not)."""
        return True

    @property
    def work(self) -> int:
        """Return the work of one repetition: flop, or bytes where the unit is MB/s."""
        raise NotImplementedError

    @property
    def traffic(self) -> int:
        """Return the least bytes that a repetition moves between memory and cores, nothing kept in cache.

        0 where the memory does not bound the rate.
        """
        return 0

    def memory(self, size: int) -> int:
        """Return the largest number of bytes that one of `size` ranks allocates."""
        raise NotImplementedError

    def refuse(self, size: int) -> None:
        """Raise Refusal if `size` ranks cannot run this problem."""
        if self.iterations < 1:
            raise Refusal("--iterations", f"{self.iterations} is too few", "use at least 1")

    def partial(self, parts: Mapping[str, Field]) -> tuple[float, ...]:
        """Reduce one rank's fields to the numbers that `check` combines."""
        raise NotImplementedError

    def check(self, partials: Iterable[tuple[float, ...]]) -> list[Check]:
        """Compare all ranks' partial results with the known answer."""
        raise NotImplementedError

    @classmethod
    def missing(cls) -> str | None:
        """Say why the kernel can run on no runtime here and what would help, or return None."""
        return absent(cls.requires, cls.install)

    def cases(self, size: int, number: int) -> "Sequence[Problem]":
        """Return what repeat `number` measures on `size` ranks: one case, or a series of them."""
        return [self]

    def table(self, repeats: Sequence[Sequence[Measured]], size: int) -> list[dict[str, Any]]:
        """Return rows of plain values under `columns`, from the cases of every repeat."""
        return []

    def summary(self, repeats: Sequence[Sequence[Measured]], size: int) -> dict[str, Any]:
        """Return what else the repeats tell, as names and plain values; lists are recorded only.

        Where the members count their messages: what one of them costs the process that takes in most.
        """
        cases = [case for repeat in repeats for case in repeat]
        taken: Counter = Counter()
        for found in cases[0].findings:
            taken[found.get("process")] += found.get("messages", 0)
        if not taken.total() or not all(case.valid for case in cases):
            return {}
        seconds = median(case.seconds for case in cases)
        return {
            "messages a repetition": taken.total(),
            "time a message with its work (us)": round(1e6 * seconds / max(taken.values()), 3),
        }

    def rate(self, seconds: float) -> float:
        """Return the rate in `unit` if one repetition takes so long."""
        return rate(self.work, seconds, self.unit)

    def smallest(self) -> "list[Problem]":
        """Return small problems that between them compile every variant of the compute core."""
        return [replace(self, iterations=1)]

    def parameters(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


def rows_at_a_time(array: np.ndarray, budget: int = 1 << 20) -> Iterable[slice]:
    """Yield slices of rows of about `budget` bytes, so that a check needs no array of its own size."""
    step = max(1, budget // max(1, array[:1].nbytes))
    return (slice(i, min(i + step, len(array))) for i in range(0, len(array), step))


def max_or_nan(so_far: float, errors: np.ndarray) -> float:
    """Return the larger of `so_far` and the largest error; a NaN anywhere stays one."""
    return float(np.maximum(so_far, errors.max(initial=0.0)))
