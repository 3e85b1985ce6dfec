"""OpenSHMEM's small operations inside compiled code, the same for both backends.

An object in symmetric memory is named by its address on this PE, as in OpenSHMEM; over MPI the
distance from the heap's base is the displacement in the other PE's window.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .._clocks import begun, plain, waited
from .._compiled import first_error, invoke, load_acquire

EQ, GE = 0, 1
# A waiting PE looks so often before it drives the library and gives its core away.
LOOKS = 1000
LIMIT = 1 << 33


class Calls(NamedTuple):
    """Addresses of functions and the handles they need; passes into compiled code as it is."""

    over_mpi: int
    put: int
    get: int
    order: int
    set: int
    # An atomic addition that returns what was there; over MPI, a word is compared and swapped for a lock.
    add: int
    lock: int
    unlock: int
    progress: int
    # An address, or a Clocked.
    sched_yield: Any
    base: int
    window: Any
    double: Any
    word: Any
    replace: Any
    sum: Any
    # What drives the library besides: OpenSHMEM's constant for "is equal"; MPI's communicator, wildcards
    # and room for a flag and a status.
    equal: Any
    comm: Any
    any_source: int
    any_tag: int
    scratch: int


@njit(nogil=True, cache=True)
def put(sh, target, source, count, pe):
    """Copy `count` doubles at address `source` to the symmetric `target` on `pe`; return an error code."""
    if sh.over_mpi:
        n = np.int32(count)
        return invoke(sh.put, (source, n, sh.double, np.int32(pe), target - sh.base, n, sh.double, sh.window))
    invoke(sh.put, (target, source, 8 * count, np.int32(pe)))
    return np.int32(0)


@njit(nogil=True, cache=True)
def get(sh, target, source, count, pe):
    """Copy `count` doubles at the symmetric `source` on `pe` to address `target`; return an error code."""
    if sh.over_mpi:
        n, to = np.int32(count), np.int32(pe)
        code = invoke(sh.get, (target, n, sh.double, to, source - sh.base, n, sh.double, sh.window))
        return first_error(code, invoke(sh.order, (to, sh.window)))
    invoke(sh.get, (target, source, 8 * count, np.int32(pe)))
    return np.int32(0)


@njit(nogil=True, cache=True)
def fence(sh, pe):
    """Let what was put to `pe` arrive before what follows; return an error code."""
    if sh.over_mpi:
        return invoke(sh.order, (np.int32(pe), sh.window))
    # The function takes no argument, and in C one too many is left alone.
    invoke(sh.order, (np.int32(pe),))
    return np.int32(0)


@njit(nogil=True, cache=True)
def atomic_set(sh, flag, word, pe):
    """Set the symmetric int64 `flag` on `pe` to word[0], at once and visibly; return an error code."""
    if sh.over_mpi:
        one, to = np.int32(1), np.int32(pe)
        code = invoke(
            sh.set,
            (word.ctypes.data, one, sh.word, to, flag - sh.base, one, sh.word, sh.replace, sh.window),
        )
        return first_error(code, invoke(sh.order, (to, sh.window)))
    invoke(sh.set, (flag, word[0], np.int32(pe)))
    return np.int32(0)


@njit(nogil=True, cache=True)
def atomic_add(sh, target, words, pe):
    """Add words[0] to the symmetric int64 `target` on `pe`, and get what was there; return an error code."""
    if sh.over_mpi:
        value, found, to = words.ctypes.data, words.ctypes.data + 8, np.int32(pe)
        code = invoke(sh.add, (value, found, sh.word, to, target - sh.base, sh.sum, sh.window))
        return first_error(code, invoke(sh.order, (to, sh.window)))
    invoke(sh.add, (target, words[0], np.int32(pe)))
    return np.int32(0)


@njit(nogil=True, cache=True)
def set_lock(sh, lock, words, pe):
    """Wait until this PE has the symmetric `lock`, which lies on `pe`; return an error code, -1 if never.

    words: three int64 of this PE's own, which begin with 1, 0.
    """
    if not sh.over_mpi:
        invoke(sh.lock, (lock,))
        return np.int32(0)
    one, to = words.ctypes.data, np.int32(pe)
    for look in range(LIMIT):
        where = lock - sh.base
        code = invoke(sh.lock, (one, one + 8, one + 16, sh.word, to, where, sh.window))
        code = first_error(code, invoke(sh.order, (to, sh.window)))
        if code or words[2] == 0:
            return code
        if look % LOOKS == LOOKS - 1:
            invoke(plain(sh.sched_yield), (np.int32(0),))
    return np.int32(-1)


@njit(nogil=True, cache=True)
def clear_lock(sh, lock, words, pe):
    """Let go of a lock, all that was put to `pe` having arrived there; return an error code."""
    code = fence(sh, pe)
    if sh.over_mpi:
        return first_error(code, atomic_set(sh, lock, words[1:], pe))
    invoke(sh.unlock, (lock,))
    return code


@njit(nogil=True, cache=True)
def wait_until(sh, flag, compare, value):
    """Wait until this PE's `flag` is `value` (EQ), or at least that (GE); return 0, or -1 if never."""
    begin = begun(sh.sched_yield)
    for look in range(LIMIT):
        found = load_acquire(flag)
        if found == value or (compare == GE and found > value):
            waited(sh.sched_yield, begin, -1)
            return np.int32(0)
        if look % LOOKS == LOOKS - 1:
            if sh.over_mpi:
                # Where the network leaves the work to the target, it needs to be inside of MPI for it.
                source, tag = np.int32(sh.any_source), np.int32(sh.any_tag)
                invoke(sh.progress, (source, tag, sh.comm, sh.scratch, sh.scratch + 8))
            else:
                invoke(sh.progress, (flag, sh.equal, value))
            invoke(plain(sh.sched_yield), (np.int32(0),))
    return np.int32(-1)
