"""Numba's cache on disk, for many processes: shared safely while they compile, and quick to load from.

Numba reads the cache's index, picks the next free file name and writes both, with nothing that keeps another
process from picking the same name for another function: that one is then loaded, and run, in its place.
"""

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Make `import name` fail meanwhile, as if it were not installed; what is already imported stays."""
    new = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(new))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]


# Numba imports SciPy to look at its version, and YAML for a file of settings: 200 looks at the file system.
with _hidden("scipy", *(() if os.path.exists(".numba_config.yaml") else ("yaml",))):
    from llvmlite import binding as llvm
    from numba.core import caching, dispatcher, event
    from numba.core.runtime import _nrt_python


class _Locked(caching.IndexDataCacheFile):
    """Numba's index and data files, read and written under a lock on their folder."""

    @contextlib.contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            # A file system without locks, or one that cannot be written, is used as Numba does.
            with contextlib.suppress(OSError):
                file = stack.enter_context(open(os.path.join(self._cache_path, ".lock"), "a"))
                fcntl.flock(file, kind)
            yield

    def save(self, key: Any, data: Any) -> None:
        with self._lock(fcntl.LOCK_EX):
            super().save(key, data)

    def load(self, key: Any) -> Any:
        with self._lock(fcntl.LOCK_SH):
            return super().load(key)


class _Prompt(caching.FunctionCache):
    """Numba's cache of one function, looked into before Numba gets ready to compile."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Numba first fills its registries, 0.28 CPU seconds and 28 MB a process, and imports SciPy's linear
        # algebra. Only compiling needs them, and the compiler fills them itself.
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def install() -> None:
    """Make Numba use locked files, and load from them at once, from now on."""
    caching.IndexDataCacheFile = _Locked
    # The dispatcher imported it by name.
    dispatcher.FunctionCache = _Prompt  # type: ignore[attr-defined]
    # What cached code calls of Numba's own runtime, which is then not compiled: 20 MB.
    for name, address in _nrt_python.c_helpers.items():
        llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class CompileClock(event.Listener):
    """Add up the time that Numba compiles, wherever in set-up or warm-up it does."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._start = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._start = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._start


@contextlib.contextmanager
def watched() -> Iterator[CompileClock]:
    """Measure meanwhile how long Numba compiles."""
    clock = CompileClock()
    with event.install_listener("numba:compile", clock):
        yield clock
