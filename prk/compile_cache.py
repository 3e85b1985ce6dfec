"""Let processes that compile at the same time share Numba's cache on disk.

Numba reads the cache's index, picks the next free file name and writes both, with nothing that keeps another
process from picking the same name for another function: that one is then loaded, and run, in its place.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Any

from numba.core import caching


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


def install() -> None:
    """Make Numba use locked files from now on."""
    caching.IndexDataCacheFile = _Locked
