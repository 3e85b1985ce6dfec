"""Statuses in colour, where a terminal shows it and nobody wants it otherwise."""

import os
import re
from collections.abc import Callable, Mapping
from typing import TextIO

from prk.harness.store import FAILED

Paint = Callable[[str], str]

GREEN, YELLOW, RED = 32, 33, 31
COLOURS = {
    "ok": GREEN,
    **dict.fromkeys(("missed", "skipped", "missing", "never started"), YELLOW),
    **dict.fromkeys(FAILED, RED),
}
STATUS = re.compile(rf"\b({'|'.join(COLOURS)})\b")


def wanted(stream: TextIO | None, base: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to colour what goes to the stream, by NO_COLOR, FORCE_COLOR, TERM, and what it is."""
    if base.get("NO_COLOR") or base.get("FORCE_COLOR"):
        return not base.get("NO_COLOR")
    return stream is not None and stream.isatty() and base.get("TERM") != "dumb"


def painter(stream: TextIO | None) -> Paint:
    """Return what colours the statuses of a text that goes to the stream, or leaves it as it is."""
    return painted if wanted(stream) else str


def painted(text: str) -> str:
    """Return the text with its statuses in colour, as terminals understand it."""
    return STATUS.sub(lambda found: f"\x1b[{COLOURS[found[0]]}m{found[0]}\x1b[0m", text)
