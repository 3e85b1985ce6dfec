"""Numba's cache on disk, for many processes: nothing in it needs a lock, and it is quick to load from.

Numba's own keeps an index, picks the next free file name and writes both, with nothing that keeps another
process from picking the same name for another function: that one is then loaded, and run, in its place. A
damaged file there ends every later run, and a folder that cannot be written the first one.
"""

import contextlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
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


# Why what is compiled is not kept, once that is known.
_lost: list[str] = []


class _Files(caching.IndexDataCacheFile):
    """A file for each signature, named by it: no index to agree on, and no file that two functions share."""

    def _path(self, key: Any) -> str:
        # Without the hash of the code: what was compiled of an older text is replaced.
        signature, target, (_, closure) = key
        named = sha256(repr((self._version, signature, target, closure)).encode()).hexdigest()[:16]
        return f"{self._index_path.removesuffix('.nbi')}.{named}.nbc"

    def save(self, key: Any, data: Any) -> None:
        content = self._dump((self._source_stamp, key, data))
        with self._open_for_write(self._path(key)) as file:
            file.write(sha256(content).digest() + content)

    def load(self, key: Any) -> Any:
        """Return what was saved, or None: a file that is damaged, or of another text, is compiled again."""
        try:
            with open(self._path(key), "rb") as file:
                found = file.read()
            # Machine code that lost a part would still run.
            if sha256(found[32:]).digest() != found[:32]:
                return None
            stamp, saved, data = pickle.loads(found[32:])
        except Exception:
            # No file, or what other versions made: their classes may be gone, or have other parts.
            return None
        return data if (stamp, saved) == (self._source_stamp, key) else None


class _Prompt(caching.FunctionCache):
    """Numba's cache of one function, looked into before Numba gets ready to compile."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Numba first fills its registries, 0.28 CPU seconds and 28 MB a process, and imports SciPy's linear
        # algebra. Only compiling needs them, and the compiler fills them itself.
        return self._load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            self._save_overload(sig, data)
        except OSError as error:
            # What is compiled runs all the same.
            _lost.append(f"{self.cache_path}: {error.strerror}")


def _cache(function: Callable[..., Any]) -> Any:
    """Return the cache of a function, or one that keeps nothing."""
    try:
        return _Prompt(function)
    except RuntimeError:
        _lost.append("no folder for it can be written")
        return caching.NullCache()


def place() -> str | None:
    """Return the folder that keeps this module's compiled code, or None if none can be written."""
    with contextlib.suppress(RuntimeError):
        found: str = caching.CompileResultCacheImpl(install).locator.get_cache_path()
        return found
    return None


def warning() -> str:
    """Return why this process compiles what the next one will compile again, and what helps; or nothing."""
    return unkept(_lost[0]) if _lost else ""


def unkept(reason: str) -> str:
    """Return the line that says so."""
    return (
        f"compiled code is not kept ({reason}), so that every start compiles it again; "
        "set NUMBA_CACHE_DIR to a folder with room that you can write"
    )


def install() -> None:
    """Make Numba use these files, and load from them at once, from now on."""
    caching.IndexDataCacheFile = _Files
    # The dispatcher imported it by name.
    dispatcher.FunctionCache = _cache  # type: ignore[attr-defined]
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
