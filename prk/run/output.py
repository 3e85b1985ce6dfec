"""Standard output and error that may be closed, or full: what cannot be said ends no run."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any


class Lasting:
    """A standard stream that takes everything, also when nobody reads it any more."""

    def __init__(self, stream: Any):
        # None where there was none when Python started.
        self.stream: Any = stream or open(os.devnull, "w")  # noqa: SIM115
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        self._try(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def _try(self, call: Callable[..., Any], *given: str) -> None:
        try:
            call(*given)
        except OSError as error:
            self.error = error
            # What waits in its buffers would fail again, at the latest when Python ends.
            with open(os.devnull, "w") as nothing:
                os.dup2(nothing.fileno(), self.stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def lasting() -> Iterator[Lasting]:
    """Make both streams such ones meanwhile; yield the first."""
    # A file that is opened where a stream was closed, a record perhaps, would take in what is printed.
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(lowest)
    out, err = Lasting(sys.stdout), Lasting(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            yield out
        finally:
            # What is still in a buffer would fail when Python ends, with an exit code of its own.
            out.flush()
            err.flush()
