"""Completion at a shell's prompt, by argcomplete where it is installed.

The shell starts the program with the line in its environment, and reads from it which words may follow.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import fields
from typing import NoReturn

from prk.run import registry
from prk.run.faults import options as faults


def asked() -> bool:
    """Tell whether a shell asks what may follow, and wants nothing else."""
    return "_ARGCOMPLETE" in os.environ


def stated(option: str) -> list[str]:
    """Return the values, several by commas, that the shell's line gives an option."""
    found = re.findall(rf"{option}[ =]+(\S+)", os.environ.get("COMP_LINE", ""))
    return found[-1].split(",") if found else []


def parameters(kernel: str) -> dict[str, tuple[str, ...]]:
    """Return the options of a kernel's own, each with its choices, if it has a few."""
    return {_option(f.name): f.metadata["choices"] for f in fields(registry.problem_class(kernel))}


def options(kernel: str) -> dict[str, tuple[str, ...]]:
    """Return the options of the runtimes that the line names, or of all, with their choices for a kernel."""
    having = registry.offering(kernel)
    named = [name for name in stated("--runtime") if name in having]
    found: dict[str, tuple[str, ...]] = {}
    for own in (o for name in named or having for o in faults.of(registry.runtime(name), kernel)):
        name = _option(own.name)
        found[name] = tuple(dict.fromkeys([*found.get(name, ()), *own.choices]))
    return found


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


def complete(action: argparse.Action, offered: Callable[..., Iterable[str]]) -> None:
    """Have what an action takes completed by what `offered` returns for its beginning."""
    action.completer = offered  # type: ignore[attr-defined]


def add(parser: argparse.ArgumentParser, option: str, names: Collection[str], several: bool = False) -> None:
    """Add an option, unless it is there, that is completed by names, or by several of them with commas."""

    def offered(prefix: str, **_: object) -> list[str]:
        before, comma, _last = prefix.rpartition(",") if several else ("", "", "")
        return [f"{before}{comma}{name}" for name in names]

    if option not in parser._option_string_actions:
        complete(parser.add_argument(option), offered)


def answer(parser: argparse.ArgumentParser) -> NoReturn:
    """Tell the shell which words may follow; end."""
    try:
        import argcomplete
    except ImportError:
        # The shell's part belongs to another Python. Nothing may run because of a key.
        sys.exit(1)
    argcomplete.autocomplete(parser, always_complete_options="long")
    sys.exit(1)
