"""Why a program ended: one line, fit to be shown anywhere, from what it and its launcher printed. Pure."""

import re
from collections.abc import Iterator

# Sequences by which a terminal is told colours and the like.
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")
# A line that only rules a frame off, as Open MPI's launcher draws them.
RULE = re.compile(r"[-=*#_ ]{8,}")
# What Python and this package say of themselves, which names the cause best.
NAMED = re.compile(r"prk\.\w+: |([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception|Interrupt|Refusal)\b")
ERROR = re.compile(
    r"\b(errors?|fatal|fail|failed|failure|cannot|could not|unable|invalid|no such|not found|denied|refused"
    r"|abort\w*|killed|segmentation fault|bus error|out of memory)\b",
    re.IGNORECASE,
)
WARNING = re.compile(r"\bwarn(ing)?\b|Warning\b", re.IGNORECASE)
LONGEST = 300


def plain(text: str) -> str:
    """Return text as one line without anything that steers a terminal or that a page cannot hold."""
    shown = (c if c.isprintable() else " " for c in ESCAPES.sub("", text))
    return " ".join("".join(shown).split())


def said(err: str, out: str = "") -> str:
    """Return the line by which a program most likely says why it ended, or nothing if it said nothing.

    The first error is the cause, and what follows it are consequences; a launcher's framed block begins with
    what it is about. Without either it is the last line.
    """
    streams = [list(_lines(text)) for text in (err, out)]
    named = [line for lines in streams for line, _ in lines if NAMED.match(line)]
    errors = [line for lines in streams for line, begins in lines if begins or _is_error(line)]
    last = [lines[-1][0] for lines in streams if lines]
    return next(iter([*named, *errors, *last]), "")[:LONGEST]


def _is_error(line: str) -> bool:
    return bool(ERROR.search(line)) and not WARNING.search(line)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line that says something, and whether a framed block begins with it."""
    inside = begins = False
    for line in map(plain, text.splitlines()):
        if RULE.fullmatch(line):
            inside = begins = not inside
        elif line:
            yield line, begins
            begins = False
