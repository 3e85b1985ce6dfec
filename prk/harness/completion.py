"""What a shell completes on prk-bench's line besides its own options: sweeps, and what states points."""

import argparse

from prk.harness.plan import sweep
from prk.run import completion, registry


def offer(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks what may follow, and end; go on if none does."""
    if completion.asked():
        _add_points(parser)
        completion.answer(parser)


def _add_points(parser: argparse.ArgumentParser) -> None:
    """Add the options that state points to each command that takes them, and the sweeps that it may name."""
    several = {"--kernel": tuple(registry.kernels()), "--runtime": tuple(registry.runtimes())}
    several |= {f"--{name.replace('_', '-')}": () for name in sweep.LAYOUT}
    for kernel in completion.stated("--kernel"):
        if kernel in registry.kernels():
            several |= completion.parameters(kernel) | completion.options(kernel)
    for command in completion.parsers(parser):
        if command.get_default("takes_points"):
            for option, names in several.items():
                completion.add(command, option, names, several=True)
            completion.complete(next(a for a in command._actions if a.dest == "sweep"), _sweeps)


def _sweeps(prefix: str, **_: object) -> list[str]:
    """Return the shipped sweeps, and the files that may be one."""
    from argcomplete.completers import FilesCompleter

    return [*sorted(p.stem for p in sweep.SHIPPED.glob("*.toml")), *FilesCompleter(("toml",))(prefix)]
