"""A team of threads in one process, which wait for each other by flags inside compiled code.

Numba's own prange is not used: it does not say which thread touches what, and joins all after every loop.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from prk import decomposition

from .. import _clocks
from .._clocks import begun, plain, waited
from .._compiled import exchange, first_error, invoke, load_acquire, store_release
from . import Threads, count

# Two cache lines a flag, because processors fetch them in pairs.
STRIDE = 128
# The flags: the team has failed, how many regions the first thread opened, and from DONE on one a thread.
FAILED, OPENED, DONE = 0, 1, 2
EVERY = 1 << 62
# A waiting thread looks so often before it gives its core away, and gives that away so often before it
# gives up: several minutes, more where other threads use the core meanwhile.
LOOKS, YIELDS = 1000, 1 << 30


class Shared(NamedTuple):
    """What compiled code needs to know of its team; passes into it as it is."""

    flags: int
    size: int
    # An address, or a Clocked.
    sched_yield: Any
    yields: int


def shared(flags: np.ndarray, size: int) -> Shared:
    """Return what a team of `size` needs to know whose flags lie STRIDE apart from the start of `flags`."""
    return Shared(flags.ctypes.data, size, _clocks.yielding(), YIELDS)


@njit(nogil=True, cache=True)
def publish(team, flag, value):
    """Raise a flag to `value`: what this thread wrote before is then seen by whoever waits for it."""
    store_release(team.flags + STRIDE * flag, value)


@njit(nogil=True, cache=True)
def wait(team, flag, value):
    """Wait until a flag has reached `value`; return 0, or -1 if the team failed or that took too long."""
    begin = begun(team.sched_yield)
    for _ in range(LOOKS):
        if load_acquire(team.flags + STRIDE * flag) >= value:
            waited(team.sched_yield, begin, flag - DONE)
            return 0
    for _ in range(team.yields):
        if load_acquire(team.flags + STRIDE * flag) >= value:
            waited(team.sched_yield, begin, flag - DONE)
            return 0
        if load_acquire(team.flags + STRIDE * FAILED):
            return -1
        invoke(plain(team.sched_yield), ())
    publish(team, FAILED, 1)
    return -1


@njit(nogil=True, cache=True)
def wait_for_all(team, value):
    """Wait until every thread has published `value` as done; return 0, or -1 as `wait` does."""
    error = 0
    for thread in range(team.size):
        error = first_error(error, wait(team, DONE + thread, value))
    return error


@njit(nogil=True, cache=True)
def acquire(team, lock):
    """Take the lock at an address, which holds 0 if nobody has it; return 0, or -1 as `wait` does."""
    begin = begun(team.sched_yield)
    for look in range(team.yields):
        # Only looked at while it is taken, so that its line stays with whoever looks.
        if load_acquire(lock) == 0 and exchange(lock, 1) == 0:
            waited(team.sched_yield, begin, -1)
            return 0
        if look >= LOOKS:
            if load_acquire(team.flags + STRIDE * FAILED):
                return -1
            invoke(plain(team.sched_yield), ())
    publish(team, FAILED, 1)
    return -1


@njit(nogil=True, cache=True)
def release(lock):
    """Give a lock back: what this thread wrote before is then seen by whoever takes it."""
    store_release(lock, 0)


class Caller(threading.local):
    """What a thread that starts teams gets back: with the last of those that it closes, in any order."""

    teams = 0
    cpus: frozenset[int] | set[int] = frozenset()


caller = Caller()


class Team:
    """Threads that each run their part of some work; the caller is the first of them.

    `failed` is called by every thread that fails, where others may wait for something else than its flags;
    with the first error, since the others fail only because of it.
    """

    def __init__(self, size: int, cpus: list[int], failed: Callable[[BaseException], None] | None = None):
        self.size, self.failed = size, failed
        # With fewer cpus than threads, where each one runs is better left to the system.
        self.cpus = cpus if size <= len(cpus) else []
        if not caller.teams:
            caller.cpus = os.sched_getaffinity(0)
        caller.teams += 1
        words = STRIDE // 8
        room = np.zeros(words * (DONE + size + 1), np.int64)
        self.flags = room[-room.ctypes.data % STRIDE // 8 :]
        self.shared = shared(self.flags, size)
        self.errors: list[BaseException] = []
        self.tasks: list[SimpleQueue] = [SimpleQueue() for _ in range(1, size)]
        self.ended: SimpleQueue = SimpleQueue()
        # Daemons, so that a failure elsewhere can end the process while they wait.
        self.threads = [threading.Thread(target=self._serve, args=(t,), daemon=True) for t in range(1, size)]
        for thread in self.threads:
            thread.start()
        self._pin(0)

    def run(self, work: Callable[..., int | None], *arguments: Any) -> None:
        """Call work(thread, *arguments) on every thread; raise if one of them raises or returns an error."""
        with self.beside(work, *arguments, opened=EVERY):
            self._call(0, work, arguments)

    @contextmanager
    def beside(self, work: Callable[..., int | None], *arguments: Any, opened: int = 0) -> Iterator[None]:
        """Let all threads but the caller's run work(thread, *arguments) while the caller goes on alone."""
        self.flags[:] = 0
        self.errors.clear()
        publish(self.shared, OPENED, opened)
        for task in self.tasks:
            task.put((work, arguments))
        try:
            yield
        except BaseException as error:
            self._fail(error)
        for _ in self.tasks:
            self.ended.get()
        if self.errors:
            raise self.errors[0]

    def parts(self, count: int) -> np.ndarray:
        """Return where each thread's part of `count` items starts, and the end of the last one's."""
        return np.array([decomposition.block(count, self.size, t)[0] for t in range(self.size)] + [count])

    def close(self) -> None:
        """End the threads and give the caller its cpus back."""
        for task in self.tasks:
            task.put(None)
        for thread in self.threads:
            thread.join()
        caller.teams -= 1
        if not caller.teams:
            os.sched_setaffinity(0, caller.cpus)

    def _serve(self, thread: int) -> None:
        self._pin(thread)
        while (task := self.tasks[thread - 1].get()) is not None:
            self._call(thread, *task)
            self.ended.put(None)

    def _call(self, thread: int, work: Callable[..., int | None], arguments: tuple[Any, ...]) -> None:
        try:
            check(work(thread, *arguments))
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.errors.append(error)
        publish(self.shared, FAILED, 1)
        if self.failed:
            self.failed(self.errors[0])

    def _pin(self, thread: int) -> None:
        if self.cpus:
            os.sched_setaffinity(0, {self.cpus[thread]})


class Clocked(Team):
    """A team that also tells a recorder how long all but the first thread work, and how long that waits."""

    def __init__(self, *about: Any):
        assert _clocks.noting
        self.recorder = _clocks.noting
        super().__init__(*about)
        self.ended = Ended(self.recorder)

    def _call(self, thread: int, work: Callable[..., int | None], arguments: tuple[Any, ...]) -> None:
        begin = time.perf_counter_ns()
        super()._call(thread, work, arguments)
        if thread:
            self.recorder.work(begin)


class Ended(SimpleQueue):
    """What the first thread waits for at the end of a region, by the clock."""

    def __init__(self, recorder: Any):
        super().__init__()
        self.recorder = recorder

    def get(self, *how: Any, **more: Any) -> Any:
        begin = time.perf_counter_ns()
        try:
            return super().get(*how, **more)
        finally:
            self.recorder.wait(begin, -1)


def check(error: int | None) -> None:
    """Raise if compiled code returned an error."""
    if error:
        raise RuntimeError("a thread waited in vain for another one of its team")


def team(options: Mapping[str, Any], failed: Callable[[BaseException], None] | None = None) -> Team:
    """Start the team that the options ask for."""
    kind = Clocked if _clocks.noting else Team
    return kind(count(options), Threads.cpus, failed)
