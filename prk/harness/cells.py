"""Kernels and runtimes as plain data, for programs that start prk without importing it."""

from typing import Any

from prk.run import registry


def cells() -> list[dict[str, Any]]:
    """Return, of each kernel on each runtime, how it is started, and why it cannot run here ("": it can).

    `count` is the option that says how many threads or workers compute; `launched`, whether an MPI launcher
    starts the processes.
    """
    found = []
    for kernel in registry.kernels():
        for how in registry.usable():
            found.append(
                {
                    "kernel": kernel,
                    "runtime": how.name,
                    "module": registry.package_of(kernel),
                    "launched": how.launched,
                    "count": how.count_option,
                    "why": _why(how.name, kernel),
                }
            )
    return found


def _why(runtime: str, kernel: str) -> str:
    if registry.has(runtime, kernel):
        return registry.missing(runtime, kernel) or ""
    absent = registry.runtime(runtime).cell(kernel).absent
    return f"{runtime} has no {kernel}{f' ({absent})' if absent else ''}"
