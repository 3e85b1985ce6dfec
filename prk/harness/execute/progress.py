"""How a campaign goes, on a terminal as a bar with the time left, elsewhere a line a launch."""

import contextlib
import importlib.util
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from prk.harness.execute.command import Launch
from prk.harness.show import colour
from prk.harness.store import Store
from prk.records import identity
from prk.records import read as record

# Seconds after which the lines of launches say again how much time is left.
EVERY = 600.0


def say(text: object) -> None:
    """Print a line. An output that is closed, or full, stops nothing: what follows goes nowhere."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def taken(kept: Store, ready: Sequence[Launch]) -> dict[str, list[float]]:
    """Return how many seconds earlier launches of the same points took, by point, as their records say."""
    found: dict[str, list[float]] = {one.point.id: [] for one in ready}
    for name in kept.names():
        # What is no record says nothing of it.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            point = identity.launch_of(name)[0]
            if point in found:
                found[point].append(float(record.read(kept.path(name))["launch"]["seconds"]))
    return found


class Left:
    """The time that launches still need: what others of their points took, else at most their limits."""

    def __init__(self, ready: Sequence[Launch], earlier: Mapping[str, Sequence[float]]):
        self.todo = Counter(one.point.id for one in ready)
        self.taken = {point: [*earlier.get(point, ())] for point in self.todo}
        # Of one launch of each point.
        self.seconds = {one.point.id: one.limit for one in ready}
        self.seconds |= {point: median(known) for point, known in self.taken.items() if known}

    def end(self, launch: Launch, seconds: float) -> None:
        """Count a launch that has ended."""
        self.todo[launch.point.id] -= 1
        known = self.taken[launch.point.id]
        known.append(seconds)
        self.seconds[launch.point.id] = median(known)

    def __str__(self) -> str:
        """Return it in words, as: about 1 h 20 min left; nothing where nothing is to be done."""
        todo = +self.todo
        whole = duration(sum(n * self.seconds[p] for p, n in todo.items()))
        return f"{'about' if all(self.taken[p] for p in todo) else 'at most'} {whole} left" if todo else ""


def duration(seconds: float) -> str:
    """Return a time in words, rounded up the more the longer it is, as: 1 h 20 min."""
    minutes = seconds / 60
    step = 1 if minutes <= 60 else 10 if minutes <= 600 else 60
    hours, minutes = divmod(max(1, math.ceil(minutes / step) * step), 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{minutes} min"] if minutes else [])])


class Lines:
    """Print a line for each launch that has ended, and now and then how much time is left."""

    def __init__(self, ready: Sequence[Launch], earlier: Mapping[str, Sequence[float]]):
        self.total, self.counts = len(ready), Counter[str]()
        self.left = Left(ready, earlier)
        self.paint = colour.painter(sys.stdout)
        self.told = self.began = time.monotonic()

    def begin(self, launch: Launch) -> None:
        self.began = time.monotonic()

    def end(self, launch: Launch, status: str, reason: str | None) -> None:
        self.count(launch, status)
        why = f": {reason}" if reason else ""
        told = f"{self.paint(f'{status:<8}')} {launch.point} repeat {launch.repeat + 1}"
        self.line(f"[{self.counts.total()}/{self.total}] {told}{why}")
        self.remind()

    def count(self, launch: Launch, status: str) -> None:
        self.counts[status] += 1
        self.left.end(launch, time.monotonic() - self.began)

    def remind(self) -> None:
        """Say how much time is left, if that was not said for a while: a log is no clock."""
        now = time.monotonic()
        if now - self.told >= EVERY and (text := str(self.left)):
            self.told = now
            self.line(text)

    def line(self, text: str) -> None:
        say(text)

    def summary(self) -> str:
        """Return the counts by status, as: 12 ok, 1 timeout."""
        return ", ".join(f"{n} {status}" for status, n in self.counts.most_common()) or "nothing was run"


class Bar(Lines):
    """Show a bar, what runs now and the time left; print a line only for what went wrong."""

    def __init__(self, ready: Sequence[Launch], earlier: Mapping[str, Sequence[float]], bar: Any):
        super().__init__(ready, earlier)
        self.bar = bar
        self.task = bar.add_task("", total=self.total, left=str(self.left))

    def begin(self, launch: Launch) -> None:
        super().begin(launch)
        p = launch.point
        self.bar.update(self.task, description=f"{p.kernel} {p.label} on {p.cores}")

    def end(self, launch: Launch, status: str, reason: str | None) -> None:
        if status == "ok":
            self.count(launch, status)
        else:
            super().end(launch, status, reason)
        self.bar.update(self.task, advance=1, left=str(self.left))

    def remind(self) -> None:
        """Say nothing: the bar shows it."""

    def line(self, text: str) -> None:
        from rich.text import Text

        self.bar.console.print(Text.from_ansi(text), soft_wrap=True)


@contextmanager
def shown(ready: Sequence[Launch], earlier: Mapping[str, Sequence[float]] | None = None) -> Iterator[Lines]:
    """Show the progress of the launches while the context lasts.

    `earlier` has the seconds that launches of a point took before.
    """
    moves = sys.stdout and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if importlib.util.find_spec("rich") is None or not moves:
        yield Lines(ready, earlier or {})
        return
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(24),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[left]}", markup=False),
    )
    with rich_progress.Progress(*columns) as bar:
        yield Bar(ready, earlier or {}, bar)
