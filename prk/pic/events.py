"""Particles that are added or removed while a run goes on, so that load appears and vanishes.

A row of the file is an event: STEP LEFT RIGHT BOTTOM TOP add COUNT, or STEP LEFT RIGHT BOTTOM TOP remove.
It happens before repetition STEP (0 is the warm-up); its region are the cells from LEFT to RIGHT and from
BOTTOM to TOP. Events of one step happen in the file's order. Empty lines, and what follows #, are left out.
"""

from pathlib import Path
from typing import NamedTuple

import prk
from prk.problem import Refusal

SHIPPED = Path(prk.__file__).with_name("jobs") / "events"
FORM = "write STEP LEFT RIGHT BOTTOM TOP add COUNT, or STEP LEFT RIGHT BOTTOM TOP remove"


class Event(NamedTuple):
    """An event: a region by its first and last columns and rows; `add` is 0 where particles are removed."""

    step: int
    left: int
    right: int
    bottom: int
    top: int
    add: int = 0

    @property
    def cells(self) -> int:
        return (self.right - self.left + 1) * (self.top - self.bottom + 1)


def read(name: str, n: int, iterations: int) -> tuple[Event, ...]:
    """Return the events of a file, or of a shipped one by its name, in the order in which they happen.

    They are for a grid of n x n cells. Raises Refusal naming file and line.
    """
    path = SHIPPED / f"{name}.txt"
    if not path.is_file():
        path = Path(name)
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.txt")))
        raise Refusal("--events", f"{path} cannot be read ({error})", f"name a file, or {shipped}") from None
    found = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if words:
            found.append(_event(words, f"{path}, line {number}", n, iterations))
    return tuple(sorted(found, key=lambda event: event.step))


def _event(words: list[str], where: str, n: int, iterations: int) -> Event:
    """Return the event of a row. Raises Refusal."""
    try:
        step, left, right, bottom, top = map(int, words[:5])
        added = {"add": 7, "remove": 6}[words[5]] == 7
        (add,) = map(int, words[6:]) if added or len(words) > 6 else (0,)
        event = Event(step, left, right, bottom, top, add)
    except (ValueError, IndexError, KeyError):
        added, event = False, None
    if event is None or len(words) != (7 if added else 6):
        raise Refusal("--events", f"{where}: {' '.join(words)!r} is no event", FORM)
    if not 0 <= event.step <= iterations:
        raise Refusal("--events", f"{where}: there is no repetition {event.step}", f"use 0 to {iterations}")
    for first, last in ((event.left, event.right), (event.bottom, event.top)):
        if not 0 <= first <= last < n:
            raise Refusal("--events", f"{where}: {first} to {last} are no cells", f"use 0 to {n - 1}")
    if added and event.add < 1:
        raise Refusal("--events", f"{where}: {event.add} particles are too few", "add at least 1")
    return event
