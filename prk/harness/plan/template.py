"""Command templates of sweeps and sites, as "mpirun -n {ranks} ./program {n}". Pure."""

import shlex
from collections.abc import Mapping
from typing import Any

from prk.problem import Refusal


def words(template: str, values: Mapping[str, Any], where: str) -> list[str]:
    """Return a command's words with the values in their places. Raises Refusal if it is none."""
    try:
        found = [word.format_map(values) for word in shlex.split(template)]
    except KeyError as error:
        raise Refusal(
            where, f"there is no value {{{error.args[0]}}} for it", f"use {', '.join(sorted(values))}"
        ) from None
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise Refusal(
            where, f"{template!r} is no command template ({error})", "write {name}, and {{ for a brace"
        ) from None
    if not found or not all(found[:1]):
        raise Refusal(where, "it names no program", 'write it as "mpirun -n {ranks}"')
    return found
