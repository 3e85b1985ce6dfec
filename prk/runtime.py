"""What a runtime says of itself, and the registry that finds kernels and runtimes by looking."""

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import prk
import prk.runtimes
from prk.job import Job, Outcome
from prk.problem import Problem, Refusal, absent


@dataclass(frozen=True)
class Option:
    """A runtime's own command-line option for one kernel; a value other than the default labels a variant."""

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    # Values besides the default, or besides the choices, that the tests run.
    examples: tuple[Any, ...] = ()


class Runtime:
    """A programming model: how it is launched, its options, whether it can run here.

    A runtime is a package with a subclass of this named Runtime and a module for each kernel,
    holding a class Kernel. It stands in runtimes/ or is named by an entry point `prk.runtimes`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    # What it imports, and the command that installs that.
    requires: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    # What starts `ranks` processes of it, as "mpirun -n {ranks}"; empty where the runtime starts its own.
    launcher: ClassVar[str] = ""
    # The option that says how many workers, where no launcher does: "threads", "pe", "workers".
    count_option: ClassVar[str] = ""
    # Kernel name (or "*" for all) to the options it understands.
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {}

    def options_of(self, kernel: str) -> tuple[Option, ...]:
        return (*self.options.get("*", ()), *self.options.get(kernel, ()))

    def missing(self) -> str | None:
        """Say why this runtime cannot run here and what would help, or return None. Imports nothing heavy."""
        return absent(self.requires, self.install)

    def refuse(self, job: Job, size: int) -> None:
        """Raise Refusal if this runtime cannot run the job on `size` members; equal on all of them."""

    def probe(self, job: Job, comm: Any) -> str:
        """Return the line that refuses the job for what only the whole team finds out; equal on all."""
        return ""

    def memory(self, job: Job, size: int) -> int:
        """Return the largest number of bytes that one of `size` members allocates."""
        return job.problem.memory(size)

    def threads(self, job: Job) -> int:
        """Return the threads that compute in each member."""
        return 1

    def members_a_rank(self, job: Job) -> int:
        """Return the members that each process holds."""
        return 1

    def warnings(self, job: Job) -> list[str]:
        """Return what a reader of the record should know about how this run was made."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return the versions and settings of what carries the messages, for the record."""
        return {}

    def started(self) -> bool:
        """Tell whether a launcher that only this runtime knows started this process."""
        return False

    def in_allocation(
        self, step: Sequence[str], words: Sequence[str], options: Mapping[str, Any], shared: str
    ) -> list[str]:
        """Return the command that runs the program `words` on the nodes that a batch system gave.

        `step` are the words that start as many processes as the layout says, where they belong; `shared`
        is a folder for temporary files that all nodes see.
        """
        return [*step, *words]

    def launch(self, job: Job) -> Outcome:
        """Call job.run(comm) on every member of the team; return this process's outcome."""
        raise NotImplementedError

    def leave(self, kernel: str, outcome: Outcome) -> Outcome:
        """Return the outcome of a process that `started` is true of, whether it came to `launch` or not.

        A launcher that waits for its processes to join each other learns here how this one ended.
        """
        return outcome


class Serial(Runtime):
    """The canonical serial version, which every kernel brings along."""

    name = "serial"
    title = "one process, no communication"
    launcher = ""

    def launch(self, job: Job) -> Outcome:
        from prk.kernel import Solo

        return job.run(Solo())


@cache
def kernels() -> tuple[str, ...]:
    """Return the names of the kernels: the packages under prk/ that state a problem."""
    found = (m.name for m in pkgutil.iter_modules(prk.__path__) if m.ispkg)
    return tuple(sorted(k for k in found if importlib.util.find_spec(f"prk.{k}.problem")))


@cache
def runtimes() -> dict[str, str]:
    """Return the runtimes' names and the packages that hold them, our own first."""
    found = {"serial": ""}
    found |= {
        m.name: f"prk.runtimes.{m.name}" for m in pkgutil.iter_modules(prk.runtimes.__path__) if m.ispkg
    }
    return found | {e.name: e.value for e in importlib.metadata.entry_points(group="prk.runtimes")}


def runtime(name: str) -> Runtime:
    """Return the runtime called `name`."""
    if name not in runtimes():
        raise Refusal("--runtime", f"there is no {name!r}", f"use one of {', '.join(runtimes())}")
    if name == "serial":
        return Serial()
    module = importlib.import_module(runtimes()[name])
    return module.Runtime()


def starter() -> Runtime | None:
    """Return the runtime whose own launcher started this process, if it was one."""
    return next((how for how in map(runtime, runtimes()) if how.started()), None)


def module_of(runtime_name: str, kernel: str) -> str:
    """Return the name of the module with this runtime's version of the kernel."""
    return f"prk.{kernel}.serial" if runtime_name == "serial" else f"{runtimes()[runtime_name]}.{kernel}"


def has(runtime_name: str, kernel: str) -> bool:
    """Tell whether the cell of the matrix exists."""
    return importlib.util.find_spec(module_of(runtime_name, kernel)) is not None


def missing(runtime_name: str, kernel: str) -> str | None:
    """Say why the cell cannot run here and what would help, or return None."""
    return runtime(runtime_name).missing() or problem_class(kernel).missing()


def kernel_class(runtime_name: str, kernel: str) -> type:
    """Import this runtime's version of the kernel; only here a communication library is imported."""
    # Before anything is decorated; it imports Numba, which listing the runtimes does without.
    importlib.import_module("prk.compile_cache").install()
    return importlib.import_module(module_of(runtime_name, kernel)).Kernel


def problem_class(kernel: str) -> type[Problem]:
    """Return the kernel's Problem: the one subclass its module defines."""
    module = importlib.import_module(f"prk.{kernel}.problem")
    return next(
        c
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Problem) and c.__module__ == module.__name__
    )
