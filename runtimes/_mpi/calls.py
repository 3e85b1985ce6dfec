"""MPI called from inside compiled code, for messages too small to go through Python.

A call goes through the function's address, handed over at run time with the communicator's handle.
So nothing of the MPI library is in the compiled code: it is cached once for all libraries with
handles of one width, and works for any communicator.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import njit

from .. import _clocks
from .._clocks import begun, plain, waited
from .._compiled import address as address_of
from .._compiled import first_error, invoke, load_acquire

# A waiting rank looks so often before it gives up: for several minutes at least.
LOOKS = 1 << 30
LOCK = MPI.LOCK_EXCLUSIVE


class Calls(NamedTuple):
    """Addresses of MPI functions and the handles they need; passes into compiled code as it is."""

    send: int
    recv: int
    comm: Any
    double: Any
    status: int


class Parcels(NamedTuple):
    """Addresses of the functions for messages of any length, with a tag, and what they need.

    A status is read as words of 32 bits; `tag` is which of them is the tag.
    """

    send: int
    recv: int
    get_count: int
    any_tag: int
    word: Any
    comm: Any
    status: np.ndarray
    tag: int
    length: np.ndarray


class Exchange(NamedTuple):
    """Addresses of the collectives that exchange words between all ranks, and the handles they need."""

    alltoall: int
    alltoallv: int
    count: Any
    word: Any
    comm: Any


class Gather(NamedTuple):
    """Address of the collective by which all ranks send bytes to all; passes into compiled code as it is."""

    allgather: int
    byte: Any
    comm: Any


class Window(NamedTuple):
    """Addresses of the one-sided functions, and what they need; passes into compiled code as it is."""

    put: int
    get: int
    accumulate: int
    fetch_and_op: int
    lock: int
    unlock: int
    flush: int
    sync: int
    post: int
    start: int
    complete: int
    wait: int
    iprobe: int
    # An address, or a Clocked.
    sched_yield: Any
    handle: Any
    comm: Any
    double: Any
    word: Any
    operation: Any
    anything: tuple[int, int]
    scratch: int


library = ctypes.CDLL(MPI.__file__)
_status = np.zeros(max(64, MPI._sizeof(MPI.Status)), np.uint8)
# What MPI_Iprobe fills and nobody reads: a flag, then a status.
_scratch = np.zeros(64 + len(_status), np.uint8)
# Functions in the place of MPI's own, by name: those that count messages, during an audit.
interposed: dict[str, int] = {}


def address(name: str) -> int:
    """Return the address of an MPI function by its C name, from the library that mpi4py loaded."""
    return interposed.get(name) or address_of(library, name)


def handle(thing: Any) -> Any:
    """Return an MPI handle as C passes it: 4 bytes in MPICH's own ABI, else pointer-sized."""
    kind = np.int32 if MPI._sizeof(type(thing)) == 4 else np.int64
    return kind(np.uint64(MPI._handleof(thing)).astype(kind))


def calls(comm: MPI.Comm) -> Calls:
    """Return what compiled code needs for two-sided messages of doubles on `comm`."""
    return Calls(
        address("MPI_Send"), address("MPI_Recv"), handle(comm), handle(MPI.DOUBLE), _status.ctypes.data
    )


def parcels(comm: MPI.Comm) -> Parcels:
    """Return what compiled code needs for messages of words of 32 bits on `comm`."""
    functions = address("MPI_Send"), address("MPI_Recv"), address("MPI_Get_count")
    # Libraries lay a status out differently.
    example, sign = MPI.Status(), 0x5A3C
    example.tag = sign
    words = np.frombuffer(ctypes.string_at(MPI._addressof(example), MPI._sizeof(MPI.Status)), np.int32)
    (tag,) = np.flatnonzero(words == sign).tolist()
    own = np.zeros(words.size, np.int32), tag, np.zeros(1, np.int32)
    return Parcels(*functions, MPI.ANY_TAG, handle(MPI.UINT32_T), handle(comm), *own)


def exchange(comm: MPI.Comm) -> Exchange:
    """Return what compiled code needs to exchange words of 64 bits between all ranks of `comm`."""
    functions = address("MPI_Alltoall"), address("MPI_Alltoallv")
    return Exchange(*functions, handle(MPI.INT32_T), handle(MPI.UINT64_T), handle(comm))


def gather(comm: MPI.Comm) -> Gather:
    """Return what compiled code needs to gather bytes of all ranks of `comm` on all of them."""
    return Gather(address("MPI_Allgather"), handle(MPI.BYTE), handle(comm))


def window(
    win: MPI.Win, comm: MPI.Comm, word: MPI.Datatype = MPI.INT64_T, operation: MPI.Op = MPI.REPLACE
) -> Window:
    """Return what compiled code needs for one-sided accesses to the memory of `win`, a window of `comm`.

    word, operation: of what type a flag is, and what becomes of the one that was there.
    """
    names = """
        Put Get Accumulate Fetch_and_op Win_lock Win_unlock Win_flush Win_sync Win_post Win_start Win_complete
        Win_wait Iprobe
    """
    functions = [address(f"MPI_{name}") for name in names.split()]
    handles = [handle(thing) for thing in (win, comm, MPI.DOUBLE, word, operation)]
    waits = (MPI.ANY_SOURCE, MPI.ANY_TAG), _scratch.ctypes.data
    return Window._make([*functions, _clocks.yielding(), *handles, *waits])


def succeed(code: int) -> None:
    """Raise the MPI error that compiled code returned, if it is one."""
    if code:
        raise MPI.Exception(code)


@njit(nogil=True, cache=True)
def send(mpi, where, count, to):
    """Send `count` doubles at address `where` to rank `to`; return MPI's error code."""
    return invoke(mpi.send, (where, np.int32(count), mpi.double, np.int32(to), np.int32(0), mpi.comm))


@njit(nogil=True, cache=True)
def recv(mpi, where, count, source):
    """Receive `count` doubles to address `where` from rank `source`; return MPI's error code."""
    return invoke(
        mpi.recv, (where, np.int32(count), mpi.double, np.int32(source), np.int32(0), mpi.comm, mpi.status)
    )


@njit(nogil=True, cache=True)
def send_parcel(mpi, data, to, tag):
    """Send an array of whole words of 32 bits to rank `to` with a tag; return MPI's error code."""
    where, words = data.ctypes.data, np.int32(data.nbytes // 4)
    return invoke(mpi.send, (where, words, mpi.word, np.int32(to), np.int32(tag), mpi.comm))


@njit(nogil=True, cache=True)
def recv_parcel(mpi, room, source):
    """Receive words of 32 bits from rank `source` at the start of an array, with any tag.

    Return MPI's error code, the bytes and the tag.
    """
    where, most = room.ctypes.data, np.int32(room.nbytes // 4)
    status, tag = mpi.status.ctypes.data, np.int32(mpi.any_tag)
    code = invoke(mpi.recv, (where, most, mpi.word, np.int32(source), tag, mpi.comm, status))
    code = first_error(code, invoke(mpi.get_count, (status, mpi.word, mpi.length.ctypes.data)))
    return code, 4 * mpi.length[0], mpi.status[mpi.tag]


@njit(nogil=True, cache=True)
def alltoall(mpi, given, taken):
    """Exchange an int32 with every rank, given[r] for taken[r] of rank r; return MPI's error code."""
    one = np.int32(1)
    here, there = given.ctypes.data, taken.ctypes.data
    return invoke(mpi.alltoall, (here, one, mpi.count, there, one, mpi.count, mpi.comm))


@njit(nogil=True, cache=True)
def alltoallv(mpi, out, given, given_at, into, taken, taken_at):
    """Exchange words with every rank: given[r] (int32) of `out` from given_at[r] on, likewise into `into`.

    Return MPI's error code.
    """
    sent = out.ctypes.data, given.ctypes.data, given_at.ctypes.data, mpi.word
    received = into.ctypes.data, taken.ctypes.data, taken_at.ctypes.data, mpi.word
    return invoke(mpi.alltoallv, sent + received + (mpi.comm,))


@njit(nogil=True, cache=True)
def allgather(mpi, given, taken):
    """Gather every rank's `given` bytes, equally many, in `taken` on all ranks; return MPI's error code."""
    each = np.int32(given.size)
    here, there = given.ctypes.data, taken.ctypes.data
    return invoke(mpi.allgather, (here, each, mpi.byte, there, each, mpi.byte, mpi.comm))


@njit(nogil=True, cache=True)
def put(window, where, count, to, displacement):
    """Put `count` doubles from address `where` into the window of rank `to`; return MPI's error code."""
    number, target = np.int32(count), np.int64(displacement)
    return invoke(
        window.put,
        (where, number, window.double, np.int32(to), target, number, window.double, window.handle),
    )


@njit(nogil=True, cache=True)
def put_flag(window, where, to, displacement):
    """Put the word at address `where` into the window of rank `to` atomically; return MPI's error code."""
    one, kind, target = np.int32(1), window.word, np.int64(displacement)
    return invoke(
        window.accumulate,
        (where, one, kind, np.int32(to), target, one, kind, window.operation, window.handle),
    )


@njit(nogil=True, cache=True)
def get(window, where, count, source, displacement):
    """Begin to get `count` doubles from the window of rank `source`; return MPI's error code."""
    number, target = np.int32(count), np.int64(displacement)
    return invoke(
        window.get,
        (where, number, window.double, np.int32(source), target, number, window.double, window.handle),
    )


@njit(nogil=True, cache=True)
def fetch_and_op(window, where, result, to, displacement):
    """As `put_flag`, and begin to get what was there to address `result`; return MPI's error code."""
    target = np.int64(displacement)
    return invoke(
        window.fetch_and_op,
        (where, result, window.word, np.int32(to), target, window.operation, window.handle),
    )


@njit(nogil=True, cache=True)
def lock(window, rank):
    """Be the only one to access the window of `rank` from now on; return MPI's error code."""
    return invoke(window.lock, (np.int32(LOCK), np.int32(rank), np.int32(0), window.handle))


@njit(nogil=True, cache=True)
def unlock(window, rank):
    """Complete the accesses to the window of `rank` and let others in; return MPI's error code."""
    return invoke(window.unlock, (np.int32(rank), window.handle))


@njit(nogil=True, cache=True)
def flush(window, to):
    """Complete this rank's accesses to the window of rank `to`, at both ends; return MPI's error code."""
    return invoke(window.flush, (np.int32(to), window.handle))


@njit(nogil=True, cache=True)
def sync(window):
    """Order this rank's loads and stores with those of others in the window; return MPI's error code."""
    return invoke(window.sync, (window.handle,))


@njit(nogil=True, cache=True)
def post(window, group):
    """Let the ranks of `group` access this rank's window; return MPI's error code."""
    return invoke(window.post, (group, np.int32(0), window.handle))


@njit(nogil=True, cache=True)
def start(window, group):
    """Begin to access the windows of the ranks of `group`; return MPI's error code."""
    return invoke(window.start, (group, np.int32(0), window.handle))


@njit(nogil=True, cache=True)
def complete(window):
    """End what `start` began; return MPI's error code."""
    return invoke(window.complete, (window.handle,))


@njit(nogil=True, cache=True)
def wait(window):
    """Wait until those whom `post` let in have completed; return MPI's error code."""
    return invoke(window.wait, (window.handle,))


@njit(nogil=True, cache=True)
def await_flag(window, where, value):
    """Wait until the int64 at address `where` of this rank's window has reached `value`.

    Return MPI's error code, or less than 0 if that took several minutes. A library may need this rank's
    help to carry out what others do to its window, so the wait also calls into it.
    """
    source, tag = window.anything
    flag, status = window.scratch, window.scratch + 64
    begin = begun(window.sched_yield)
    for look in range(LOOKS):
        if load_acquire(where) >= value:
            waited(window.sched_yield, begin, -1)
            return sync(window)
        if look % 16 == 15:
            invoke(window.iprobe, (np.int32(source), np.int32(tag), window.comm, flag, status))
        if look > 1000:
            invoke(plain(window.sched_yield), ())
    return -1
