"""How a campaign goes, on a terminal as a bar with the time left, elsewhere a line a launch."""

import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prk.harness.execute.command import Launch


def say(text: object) -> None:
    """Print a line. An output that is closed, or full, stops nothing: what follows goes nowhere."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Lines:
    """Print a line for each launch that has ended."""

    def __init__(self, total: int):
        self.total, self.counts = total, Counter[str]()

    def begin(self, launch: Launch) -> None:
        pass

    def end(self, launch: Launch, status: str, reason: str | None) -> None:
        self.counts[status] += 1
        number = self.counts.total()
        why = f": {reason}" if reason else ""
        self.line(f"[{number}/{self.total}] {status:<8} {launch.point} repeat {launch.repeat + 1}{why}")

    def line(self, text: str) -> None:
        say(text)

    def summary(self) -> str:
        """Return the counts by status, as: 12 ok, 1 timeout."""
        return ", ".join(f"{n} {status}" for status, n in self.counts.most_common()) or "nothing was run"


class Bar(Lines):
    """Show a bar, what runs now and the time left; print a line only for what went wrong."""

    def __init__(self, total: int, bar: Any):
        super().__init__(total)
        self.bar = bar
        self.task = bar.add_task("", total=total)

    def begin(self, launch: Launch) -> None:
        p = launch.point
        self.bar.update(self.task, description=f"{p.kernel} {p.label} on {p.cores}")

    def end(self, launch: Launch, status: str, reason: str | None) -> None:
        if status == "ok":
            self.counts[status] += 1
        else:
            super().end(launch, status, reason)
        self.bar.advance(self.task)

    def line(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def shown(ready: Sequence[Launch]) -> Iterator[Lines]:
    """Show the progress of the launches while the context lasts."""
    if importlib.util.find_spec("rich") is None or not (sys.stdout and sys.stdout.isatty()):
        yield Lines(len(ready))
        return
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    with rich_progress.Progress(*columns) as bar:
        yield Bar(len(ready), bar)
