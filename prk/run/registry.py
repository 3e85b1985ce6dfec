"""Find kernels and runtimes by looking: in the folders, and in what other installed packages offer.

Nothing is imported but what is asked for: a launch imports one kernel and one runtime.
"""

import importlib
import importlib.util
import os
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import prk
import prk.runtimes
from prk.kernel import Kernel
from prk.problem import Problem, Refusal
from prk.run import environment
from prk.runtime import Runtime

# What runs where nobody names a runtime: without a launcher, and under one of MPI. The others are compared
# with the second one.
SERIAL, BASELINE = "serial", "mpi1"
# The file of a runtime's package that names the variables by which its own launcher is recognised.
STARTED_BY = "started_by"


@cache
def kernels() -> dict[str, str]:
    """Return the kernels' names and packages: those under prk/ that state a problem, then plug-ins."""
    found = (m.name for m in pkgutil.iter_modules(prk.__path__) if m.ispkg)
    own = {k: f"prk.{k}" for k in sorted(found) if importlib.util.find_spec(f"prk.{k}.problem")}
    return {**own, **{k: v for k, v in _offered("prk.kernels").items() if k not in own}}


@cache
def runtimes() -> dict[str, str]:
    """Return the runtimes' names and packages, our own first; what begins with _ is shared code."""
    found = sorted(m.name for m in pkgutil.iter_modules(prk.runtimes.__path__) if m.ispkg)
    own = {name: f"prk.runtimes.{name}" for name in found if not name.startswith("_")}
    first = {SERIAL: own[SERIAL]}
    # A name that is ours stays ours, whatever else is installed.
    return {**first, **own, **{k: v for k, v in _offered("prk.runtimes").items() if k not in own}}


def _offered(group: str) -> dict[str, str]:
    """Return what other packages offer by entry points of a group."""
    # Looks at every installed package, which a launch of our own kernels and runtimes does without.
    from importlib.metadata import entry_points

    return {e.name: e.value for e in entry_points(group=group)}


def plugins(name: str, kernel: str) -> dict[str, str]:
    """Return which of a runtime and a kernel other packages offer, each with its distribution and version."""
    chosen = [("prk.runtimes", name, _package(name)), ("prk.kernels", kernel, package_of(kernel))]
    return {
        offered: _distribution(group, offered) for group, offered, p in chosen if not p.startswith("prk.")
    }


def _distribution(group: str, name: str) -> str:
    """Return the distribution and its version that an entry point belongs to."""
    from importlib.metadata import entry_points

    made = next(e.dist for e in entry_points(group=group) if e.name == name)
    return f"{made.name} {made.version}" if made else "unknown"


def _package(name: str) -> str:
    """Return the package of a runtime; our own are found without a look at what else is installed."""
    own = f"prk.runtimes.{name}"
    if name.isidentifier() and not name.startswith("_") and importlib.util.find_spec(own):
        return own
    if name not in runtimes():
        raise Refusal("--runtime", f"there is no {name!r}", f"use one of {', '.join(runtimes())}")
    return runtimes()[name]


@cache
def runtime(name: str) -> Runtime:
    """Return the runtime called `name`. Raises Refusal if there is none, or if its package is broken."""
    package = _package(name)
    try:
        made: Runtime = importlib.import_module(package).Runtime()
    except Exception as error:
        if package.startswith("prk.runtimes."):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Refusal(
            "--runtime",
            f"{name}, which the package {package} offers, cannot be used ({reason})",
            "mend or uninstall that package, or use another runtime",
        ) from None
    return made


def usable() -> Iterator[Runtime]:
    """Yield every runtime whose package can be imported; `broken` names the others."""
    for name in runtimes():
        if name not in broken():
            yield runtime(name)


@cache
def broken() -> dict[str, str]:
    """Return the runtimes of other packages that cannot be imported, each with the reason."""
    found = {}
    for name in runtimes():
        try:
            runtime(name)
        except Refusal as refusal:
            found[name] = str(refusal).removeprefix("--runtime: ")
    return found


def starter() -> Runtime | None:
    """Return the runtime whose own launcher started this process, if it was one."""
    for name, folder in _folders():
        try:
            variables = Path(folder, STARTED_BY).read_text().split()
        except OSError:
            continue
        if any(v in os.environ for v in variables):
            return runtime(name)
    return None


def _folders() -> Iterator[tuple[str, str]]:
    """Yield the runtimes' names and folders; those of other packages only where no MPI launcher is."""
    with os.scandir(next(iter(prk.runtimes.__path__))) as entries:
        yield from sorted((e.name, e.path) for e in entries if e.name[0] not in "_." and e.is_dir())
    if environment.launched():
        return
    for name, package in _offered("prk.runtimes").items():
        # A package inside another one is found by importing that one, which may do anything.
        found = None if "." in package else importlib.util.find_spec(package)
        if found and found.submodule_search_locations:
            yield name, found.submodule_search_locations[0]


@cache
def package_of(kernel: str) -> str:
    """Return the package of a kernel; our own are found without a look at what else is installed."""
    own = f"prk.{kernel}"
    return own if importlib.util.find_spec(own) else kernels()[kernel]


@cache
def module_of(name: str, kernel: str) -> str | None:
    """Return the module with a runtime's version of a kernel: the runtime's own, or the kernel's; or None.

    Raises Refusal if the runtime's package is broken.
    """
    runtime(name)
    for module in (f"{_package(name)}.{kernel}", f"{package_of(kernel)}.{name}"):
        if importlib.util.find_spec(module):
            return module
    return None


def has(name: str, kernel: str) -> bool:
    """Tell whether the cell of the matrix exists."""
    return module_of(name, kernel) is not None


def offering(kernel: str) -> list[str]:
    """Return the runtimes that have a version of the kernel."""
    return [how.name for how in usable() if has(how.name, kernel)]


def missing(name: str, kernel: str) -> str | None:
    """Say why the cell cannot run here and what would help, or return None."""
    return environment.disabled() or runtime(name).missing() or problem_class(kernel).missing()


def kernel_class(name: str, kernel: str) -> type[Kernel[Any]]:
    """Import this runtime's version of the kernel; only here a communication library is imported."""
    # Before anything is decorated; it imports Numba, which listing the runtimes does without.
    importlib.import_module("prk.run.compile_cache").install()
    module = module_of(name, kernel)
    assert module, f"{name} has no {kernel}"
    found: type[Kernel[Any]] = importlib.import_module(module).Kernel
    return found


@cache
def problem_class(kernel: str) -> type[Problem]:
    """Return the kernel's Problem: the one subclass its module defines."""
    module = importlib.import_module(f"{package_of(kernel)}.problem")
    return next(
        c
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Problem) and c.__module__ == module.__name__
    )
