"""Start a command under a time limit, with all that it starts itself, and leave none of it behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
# Seconds that a launcher gets to clean up after SIGTERM.
PATIENCE = 3.0
# What asks this process to end: a person, a batch system, a terminal that is gone.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Mark(NamedTuple):
    """A variable with its value: every process that a program starts inherits it, whatever group it joins."""

    variable: str
    value: str


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: the signal), and its wall seconds."""

    code: int
    seconds: float
    timed_out: bool
    # The command lines of processes that outlived it, and were ended.
    left: tuple[str, ...]


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    limit: float,
    streams: tuple[Any, Any],
    mark: Mark,
    gone: float = 1.0,
) -> Ended:
    """Run a command in the environment `variables` for at most `limit` seconds; its streams go to two files.

    What it started is to be gone `gone` seconds after it; its process group, and whatever left the group but
    carries the mark, ends then, and with any exception. Raises OSError if it cannot be started.
    """
    start = time.monotonic()
    timed_out, left = False, {}
    with _whole():
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            # Not pipes: a process that was left behind would keep them open.
            stdout=streams[0],
            stderr=streams[1],
            env={**variables, mark.variable: mark.value},
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            with _interruptible():
                process.wait(limit)
            seconds = time.monotonic() - start
            wait_until(lambda: not marked(mark), gone, 0.02)
            left = marked(mark)
        except subprocess.TimeoutExpired:
            timed_out, seconds = True, time.monotonic() - start
        finally:
            _end(process)
            end(mark)
    return Ended(process.returncode, seconds, timed_out, tuple(left.values()))


def _end_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies, however that dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group: a launcher may first tell its ranks."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end(mark: Mark) -> None:
    """End all processes that carry the mark, but for this one; those that they start meanwhile, too."""

    def none_left() -> bool:
        found = marked(mark).keys() - {os.getpid()}
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return not found

    wait_until(none_left, PATIENCE, 0.02)


def marked(mark: Mark) -> dict[int, str]:
    """Return pid and command line of the processes, other than zombies, whose environment holds the mark."""
    wanted = os.fsencode(f"{mark.variable}={mark.value}")
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            # A zombie's environment is empty; others' processes cannot be read.
            with contextlib.suppress(OSError):
                if wanted in _read(f"{entry.path}/environ").split(b"\0"):
                    words = _read(f"{entry.path}/cmdline").replace(b"\0", b" ")
                    found[int(entry.name)] = words.decode("utf8", "replace").strip()
    return found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def wait_until(what: Callable[[], T], seconds: float = 30, pause: float = 0.1) -> T:
    """Return what the function returns as soon as that is true, or what it returned last."""
    limit = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < limit:
        time.sleep(pause)
    return found


class _Asked:
    """Whether this process was asked to end, and whether that has to wait."""

    now = False
    waits = False


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """Raise KeyboardInterrupt when asked to end, the first time: what is being ended then is ended whole."""

    def stop(*_: Any) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        _Asked.now = _Asked.waits
        if not _Asked.waits:
            raise KeyboardInterrupt

    # What whoever started this had it ignore, as nohup does, stays ignored.
    before = {one: signal.getsignal(one) for one in ENDING if signal.getsignal(one) != signal.SIG_IGN}
    for one in before:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """Let being asked to end wait for the end of the block."""
    _Asked.waits = True
    try:
        yield
    finally:
        _Asked.waits = False
    _pass_on()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let it wait no longer, in a block inside of the other one."""
    _Asked.waits = False
    try:
        _pass_on()
        yield
    finally:
        _Asked.waits = True


def _pass_on() -> None:
    if _Asked.now:
        _Asked.now = False
        raise KeyboardInterrupt
