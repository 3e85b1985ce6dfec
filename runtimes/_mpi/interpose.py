"""Functions in the place of MPI's own, for mpi4py and for compiled code: they count messages, or clock.

A tool that is linked before the MPI library (PMPI) does the same, and needs a compiler. Here the addresses
that the dynamic linker wrote down for the extension module of mpi4py are replaced; compiled code is handed
the same ones.
"""

import ctypes
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from . import calls, linked


@contextmanager
def interposed(
    names: Collection[str],
    addresses: Callable[[], Mapping[str, int]],
    library: ctypes.CDLL = calls.library,
) -> Iterator[bool]:
    """Have the functions of these names at other addresses meanwhile; tell whether that can be done here.

    library: who calls them, besides compiled code; by default mpi4py.
    """
    slots = linked.slots(library, names)
    if not slots:
        yield False
        return
    words = [(ctypes.c_uint64.from_address(slot), name) for slot, name in slots.items()]
    before, there = [word.value for word, _ in words], addresses()
    try:
        calls.interposed.update(there)
        for word, name in words:
            word.value = there[name]
        yield True
    finally:
        for (word, _), value in zip(words, before, strict=True):
            word.value = value
        calls.interposed.clear()
